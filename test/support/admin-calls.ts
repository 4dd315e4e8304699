import { ROUTES } from '../../src/http/route-table.ts'
import type { ErrorCode } from '../../src/lib/errors.ts'
import type { presentAuditEntry, presentSession } from '../../src/respond/views.ts'
import { answerOf, expectProblem } from './problem-answer.ts'
import type { RawAnswer } from './raw-http.ts'
import { DEFAULT_CONFIG, type Running, tokenFor } from './running-service.ts'

/** Every admin endpoint: the pattern of its route, and a call of it for {@link callAdmin}. */
export const ADMIN_CALLS = Object.values(ROUTES)
  .filter(({ path }) => path.startsWith('/v1/admin/'))
  .map(({ method, path }) => {
    const target = path.slice('/v1/admin'.length).replace('{user}', 'alice').replace('{id}', 'x_1')
    return [path.replace(/\{(\w+)\}/g, ':$1'), `${method.toUpperCase()} ${target}`] as const
  })

/** The rule for admins in these tests; a line for a config. */
export const ADMINS = `admins: { when: '"chatkit-admin" in claims.roles' }`
export const ADMIN_CONFIG = `${DEFAULT_CONFIG}\n${ADMINS}\n`

/** The actor that the audit and blocks name for {@link adminToken}. */
export const ADA = 'https://issuer.test|ada'

/** A token that the rule of {@link ADMINS} takes for an admin's. */
export function adminToken(claims: Readonly<Record<string, unknown>> = {}): string {
  return tokenFor('ada', { roles: ['chatkit-admin'], ...claims })
}

/** A page as the admin endpoints answer it. */
export interface PageSeen<T> {
  readonly data: readonly T[]
  readonly first_id: string | null
  readonly last_id: string | null
  readonly has_more: boolean
}

export type SessionSeen = ReturnType<typeof presentSession>
export type AuditSeen = ReturnType<typeof presentAuditEntry>

export interface RevokeSeen {
  readonly user: string
  readonly known: boolean
  readonly cancelled: readonly string[]
  readonly cancelling: readonly string[]
  readonly blocked_until: number | null
}

export interface CallParts {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Calls under `/v1/admin`, as ada unless another token is given. */
export async function callAdmin(
  { url }: Pick<Running, 'url'>,
  line: string,
  { token = adminToken(), body, headers }: CallParts = {},
): Promise<RawAnswer> {
  const [method = '', path = ''] = line.split(' ')
  const json = body === undefined ? {} : { 'content-type': 'application/json' }
  return answerOf(
    await fetch(`${url}/v1/admin${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...json, ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    }),
  )
}

/** The same, for an answer of 200. */
export async function askAdmin<T>(
  running: Pick<Running, 'url'>,
  line: string,
  body?: unknown,
): Promise<T> {
  const answer = await callAdmin(running, line, { body })
  if (answer.status !== 200) throw new Error(`${line}: ${answer.status} ${answer.body}`)
  return JSON.parse(answer.body)
}

/** All sessions of a user, newest first. */
export async function sessionsOf(running: Running, user: string): Promise<readonly SessionSeen[]> {
  const path = `/sessions?limit=100&user=${encodeURIComponent(user)}`
  return (await askAdmin<PageSeen<SessionSeen>>(running, `GET ${path}`)).data
}

/** The audit, newest first, without the reads that reading it adds. */
export async function auditOf(running: Running, query = ''): Promise<readonly AuditSeen[]> {
  const page = await askAdmin<PageSeen<AuditSeen>>(running, `GET /audit?limit=100${query}`)
  return page.data.filter(({ action }) => action !== 'admin_read')
}

/** Revokes all of a user's sessions. */
export async function revoke(running: Running, user: string, body: unknown = {}) {
  return askAdmin<RevokeSeen>(running, `POST /users/${encodeURIComponent(user)}/revoke`, body)
}

/** Mints and gives the client secret; throws when it is refused. */
export async function secretFrom(running: Pick<Running, 'mint'>, token: string): Promise<string> {
  const text = await (await running.mint(token)).text()
  const body: { client_secret?: string } = JSON.parse(text)
  if (body.client_secret === undefined) throw new Error(`not minted: ${text}`)
  return body.client_secret
}

/** The same for a user of the default config. */
export function secretOf(
  running: Pick<Running, 'mint'>,
  user = 'alice',
  claims: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return secretFrom(running, tokenFor(user, claims))
}

/** Mints with a body, and expects a refusal that caused no upstream call. */
export async function expectRefusedMint(
  running: Running,
  token: string,
  expected: readonly [status: number, code: ErrorCode],
  body?: unknown,
): Promise<RawAnswer> {
  running.upstream.clearRequests()
  const answer = await answerOf(await mintWith(running, token, body))
  expectProblem(answer, ...expected)
  const creates = running.upstream.requests().filter(({ path }) => path.endsWith('/sessions'))
  if (creates.length > 0) throw new Error('the upstream was asked for a session')
  return answer
}

/** Ends the sessions of a token's user, as their app does. */
export function signOut({ url }: Pick<Running, 'url'>, token: string): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` }
  return fetch(`${url}/v1/sessions`, { method: 'DELETE', headers })
}

/** `POST /v1/sessions` with a JSON body. */
export function mintWith(running: Running, token: string, body?: unknown): Promise<Response> {
  if (body === undefined) return running.mint(token)
  const headers = { 'content-type': 'application/json' }
  return running.mint(token, { body: JSON.stringify(body), headers })
}

/** The status that the upstream has for the session with this client secret. */
export function upstreamStatus(running: Running, secret: string): string | undefined {
  return running.upstream.sessions().find((one) => one.client_secret === secret)?.status
}
