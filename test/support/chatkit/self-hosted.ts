import { decodeJwt } from 'jose'
import { DEFAULT_CONFIG, HIGH_LIMITS } from '../running-service.ts'

/** The issuer of self-hosted client secrets. */
export const PUBLIC_URL = 'https://mint.acme.example'

export interface SelfHostedConfig {
  /** URL of the ChatKit server. */
  readonly server: string
  /** Instead of limits that no test reaches. */
  readonly limits?: string
  /** Lines of the workflow, each indented by four spaces. */
  readonly workflow?: string
  /** Lines at the top level. */
  readonly more?: string
}

/** A config whose default workflow is `helpdesk`, self-hosted, beside the hosted `support`. */
export function selfHostedConfig({ server, limits, workflow = '', more = '' }: SelfHostedConfig) {
  const helpdesk = `workflows:\n  helpdesk:\n    server: ${server}\n${workflow}`
  const config = DEFAULT_CONFIG.replace('workflows:\n', helpdesk)
  return `${config.replace(HIGH_LIMITS, limits ?? HIGH_LIMITS)}\n${more}\n`
}

/** The session that a client secret belongs to. */
export function sidOf(secret: string): string {
  const { sid } = decodeJwt(secret)
  if (typeof sid !== 'string') throw new Error('no sid')
  return sid
}
