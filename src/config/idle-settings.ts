// Names the settings of the config file that have no effect, because another one is missing.

import type { Settings } from './settings.ts'

/** One line for each, for `check-config` and the log of a start. */
export function idleSettings({
  clientIpHeader,
  trustedProxies,
}: Pick<Settings, 'clientIpHeader' | 'trustedProxies'>): string[] {
  if (clientIpHeader === undefined || trustedProxies.length > 0) return []
  return [
    `client_ip_header: ${clientIpHeader} is never read without trusted_proxies, so that limits count all callers of a proxy as one; name the proxy there`,
  ]
}
