import { expect, test } from 'vitest'
import { adviceOnConnection } from '../../../../src/commands/cli/doctor/connection-advice.ts'

test.each<readonly [string, RegExp]>([
  ['CERT_HAS_EXPIRED', /dates of the certificate at https:\/\/login\.test with the clock/],
  ['CERT_NOT_YET_VALID', /renew it or set the clock/],
  ['ERR_TLS_CERT_ALTNAME_INVALID', /for other names: check the host in issuer/],
  ...['SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'].map(
    (code) => [code, /authority that Node does not know: name .* NODE_EXTRA_CA_CERTS/] as const,
  ),
  ['ECONNRESET', /firewalls, proxies and certificates on the way \(ECONNRESET\)/],
])('advice on a connection that fails with %s names what to mend', (code, advice) => {
  const error = Object.assign(new Error('failed'), { code })
  const target = { url: 'https://login.test', setting: 'issuer', proxyFor: () => undefined }
  expect(adviceOnConnection(error, target)).toMatch(advice)
})
