import { PAGE_ORIGIN } from './load/connection.ts'
import { AUDIENCE, KEY_PAIR_ISSUER, SECRET_ISSUER } from './load/identity.ts'

/**
 * The config file of our sides: every duty on, and limits so high that the few users of a measurement do not reach
 * them.
 *
 * @param jwksUrl - key set of the issuer with key pairs
 * @param chatkitServer - of a self-hosted workflow; none when absent
 */
export function serviceConfig(jwksUrl: string, chatkitServer?: string): string {
  const selfHosted =
    chatkitServer === undefined
      ? ''
      : `\n  helpdesk: { server: '${chatkitServer}', rate_limits: { max_requests_per_1_minute: 1000 } }`
  return `
issuers:
  - issuer: ${KEY_PAIR_ISSUER}
    audience: [${AUDIENCE}]
    algorithms: [ES256, RS256, EdDSA]
    jwks_uri: ${jwksUrl}
  - issuer: ${SECRET_ISSUER}
    audience: [${AUDIENCE}]
    algorithms: [HS256]
    secret_env: SHARED_SECRET
user: 'issuer + "|" + claims.sub'
workflows:
  support:
    id: wf_bench${selfHosted}
admins:
  when: '"chatkit-admin" in claims.roles'
  issuers: [${KEY_PAIR_ISSUER}]
cors: { origins: ['${PAGE_ORIGIN}'] }
limits:
  mints_per_user: { max: 1000000, seconds: 60 }
  live_sessions_per_user: { max: 1000000 }
`
}
