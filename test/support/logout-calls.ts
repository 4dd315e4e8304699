import type { ErrorCode } from '../../src/lib/errors.ts'
import { ADMINS } from './admin-calls.ts'
import { answerOf, expectProblem } from './problem-answer.ts'
import type { RawAnswer } from './raw-http.ts'
import { HIGH_LIMITS, type Running } from './running-service.ts'
import { claimsOf, createSigner, logoutClaimsOf } from './tokens.ts'

export const ISSUER = 'https://idp.test'
export const OTHER_ISSUER = 'https://other-idp.test'
/** Signs for both issuers what their published keys verify. */
export const key = createSigner('ES256', 'k1')
export const rsaKey = createSigner('RS256', 'k2')
const jwks = JSON.stringify({ keys: [key.publicJwk, rsaKey.publicJwk] })

const issuer = (name: string, more: string) =>
  `  - { issuer: '${name}', audience: [chat-api], algorithms: [ES256], jwks: ${jwks}${more} }`

/** One issuer with logout for the client `web-app`, and one without. */
export const LOGOUT_CONFIG = `
issuers:
${issuer(ISSUER, ', logout: { client_ids: [web-app], algorithms: [ES256] }')}
${issuer(OTHER_ISSUER, '')}
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
${ADMINS.replace('{ when', `{ issuers: ['${ISSUER}'], when`)}
${HIGH_LIMITS}
`

/** A user's token; claims that are undefined are left out. */
export function userToken(sub: string, claims: Readonly<Record<string, unknown>> = {}): string {
  return key.token(claimsOf(ISSUER, Date.now(), { sub, ...claims }))
}

let tokens = 0

/** A logout token with a `jti` of its own. */
export function logoutToken(
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {},
): string {
  return key.token(logoutClaims(claims), { typ: 'logout+jwt', ...header })
}

export function logoutClaims(claims: Readonly<Record<string, unknown>> = {}) {
  return logoutClaimsOf(ISSUER, Date.now(), { jti: `logout-${tokens++}`, ...claims })
}

/** `POST /v1/backchannel-logout` with these fields. */
export async function sendLogout({ url }: Pick<Running, 'url'>, token: string): Promise<RawAnswer> {
  return sendForm({ url }, new URLSearchParams({ logout_token: token }))
}

/** The same with any body. */
export async function sendForm(
  { url }: Pick<Running, 'url'>,
  body: URLSearchParams | string | null,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  return answerOf(await fetch(`${url}/v1/backchannel-logout`, { method: 'POST', headers, body }))
}

/** Expects a logout to be refused as a bad request. */
export async function expectRefusedLogout(
  running: Running,
  token: string,
  code: ErrorCode = 'invalid_request',
): Promise<void> {
  expectProblem(await sendLogout(running, token), 400, code)
}
