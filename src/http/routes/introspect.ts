// Lets self-hosted servers verify tokens that we sign: with our public keys (RFC 7517), or by asking whether a
// client secret is live and who its user is (RFC 7662).

import { hash, timingSafeEqual } from 'node:crypto'
import type { Handler } from 'hono'
import { audienceOf, CLIENT_SECRET_TYPE } from '../../chatkit/signing/client-secret.ts'
import type { ExpectedToken, SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import type { IntrospectionClient, Settings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { parseSessionId, type SessionId } from '../../lib/ids.ts'
import { hashSecret, Secret } from '../../lib/secret.ts'
import type { Registry } from '../../registry/port.ts'
import type { SessionRecord } from '../../registry/records.ts'
import { setHeader } from '../answer.ts'
import { readFormField } from '../body.ts'
import type { AppContext, AppEnv, Check } from '../context.ts'
import type { FailedAuth } from '../failed-auth.ts'

/** The parts with which a client secret is checked. */
interface IntrospectParts {
  readonly registry: Pick<Registry, 'getSession' | 'endedAmong'>
  readonly settings: Settings
  readonly keys: SigningKeys
  readonly publicUrl: string
  readonly now: Clock
}

const UNAUTHENTICATED = ['missing_token', 'invalid_token', 'token_expired'] as const

/**
 * Passes an `introspection` client with HTTP Basic, or else a caller who passes `admin`. Without a caller's
 * credential the endpoint could be used to try out tokens (RFC 7662 §4). Failed attempts are counted by address
 * and audited.
 *
 * @param parts - `clients`: from the config; `admin`: the admin check, undefined when there are no admins
 */
export function requireIntrospector({
  clients,
  admin,
  failedAuth,
}: {
  readonly clients: Settings['introspectionClients']
  readonly admin: Check | undefined
  readonly failedAuth: FailedAuth
}): Check {
  async function judge(c: AppContext): Promise<void> {
    const basic = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(c.req.header('Authorization') ?? '')?.[1]
    if (basic === undefined && admin !== undefined) return admin(c)
    const client = basic === undefined ? undefined : clientOf(basic, clients)
    if (client !== undefined) return c.set('introspects', client.workflows)
    const failure = new ServiceError(basic === undefined ? 'missing_token' : 'invalid_token', {
      reason: 'introspection without a client of the config',
      detail: 'Send the id and secret of an introspection client with HTTP Basic.',
    })
    throw basic === undefined ? failure : await failedAuth.counted(c, failure)
  }

  return async (c) => {
    try {
      await judge(c)
    } catch (error) {
      // The error itself names Bearer; for a 403 or 429, other credentials are no remedy.
      if (clients.length > 0 && isCode(error, ...UNAUTHENTICATED)) {
        setHeader(c, 'WWW-Authenticate', 'Basic realm="introspection", charset="UTF-8"')
      }
      const guessed = isCode(error, 'invalid_token', 'rate_limited')
      if (guessed) failedAuth.note(c, 'introspection_attempt')
      throw error
    }
  }
}

/**
 * Answers only `{"active": false}` for a secret that is bad, expired, cancelled or unknown, or whose workflow
 * the caller may not learn of (RFC 7662 §2.2).
 */
export function introspect(options: IntrospectParts): Handler<AppEnv> {
  return async (c: AppContext) => {
    const secret = new Secret(await readFormField(c, 'token'))
    const session = await liveSession(secret, c.var.introspects, options)
    return c.json(
      session === undefined ? { active: false } : activeAnswer(session, options.publicUrl),
    )
  }
}

async function liveSession(
  secret: Secret,
  only: readonly string[] | undefined,
  { registry, settings, keys, publicUrl, now }: IntrospectParts,
): Promise<SessionRecord | undefined> {
  for (const { kind, name } of settings.workflows) {
    if (kind !== 'self-hosted' || only?.includes(name) === false) continue
    const expected = { issuer: publicUrl, audience: audienceOf(name), nowMs: now() }
    const sid = await sessionIdOf(secret, keys, { ...expected, type: CLIENT_SECRET_TYPE })
    if (sid === undefined) continue
    const session = await registry.getSession(sid)
    // The hash ties the token to the session: another token with this session's id is not its secret. Both end together.
    if (session?.status !== 'active' || session.secretHash !== hashSecret(secret)) return undefined
    // A revoke leaves expired sessions as they are. The clock of its instance may have been ahead of ours.
    return (await registry.endedAmong([session])).length === 0 ? session : undefined
  }
  return undefined
}

async function sessionIdOf(
  secret: Secret,
  keys: SigningKeys,
  expected: ExpectedToken,
): Promise<SessionId | undefined> {
  try {
    const { sid } = await keys.verify(secret.reveal(), expected)
    return typeof sid === 'string' ? parseSessionId(sid) : undefined
  } catch {
    return undefined
  }
}

function activeAnswer(session: SessionRecord, publicUrl: string) {
  const { state = {} } = session
  return {
    active: true,
    iss: publicUrl,
    aud: audienceOf(session.workflow),
    sub: session.user,
    sid: session.id,
    iat: session.createdAt,
    exp: session.expiresAt,
    workflow: session.workflow,
    ...(Object.keys(state).length > 0 && { state }),
  }
}

function clientOf(
  basic: string,
  clients: Settings['introspectionClients'],
): IntrospectionClient | undefined {
  const text = Buffer.from(basic, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)]
  // OAuth libraries send both form-encoded, as RFC 6749 §2.3.1 wants, and a `-` as `%2D`; others as they are.
  const asTheyAre = clientWith(id, secret, clients)
  return asTheyAre ?? clientWith(formDecoded(id), formDecoded(secret), clients)
}

function formDecoded(text: string): string {
  return new URLSearchParams(`text=${text}`).get('text') ?? ''
}

function clientWith(
  name: string,
  secret: string,
  clients: Settings['introspectionClients'],
): IntrospectionClient | undefined {
  const client = clients.find(({ id }) => id === name)
  const given = hash('sha256', secret, 'buffer')
  // Compares even when there is no such client, so that the time does not reveal which ids exist.
  const wanted = Buffer.from(client?.secretSha256 ?? '0'.repeat(64), 'hex')
  return timingSafeEqual(given, wanted) ? client : undefined
}

export function answerKeySet(keys: SigningKeys): Handler<AppEnv> {
  const body = JSON.stringify(keys.publicKeys)
  return (c) => {
    c.header('Cache-Control', 'public, max-age=300')
    c.header('Vary', 'Origin')
    c.header('Content-Type', 'application/json')
    return c.body(body)
  }
}
