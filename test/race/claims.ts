// The promises that are checked. Each function returns a sentence for every promise that is broken.
import { unixSeconds } from '../../src/lib/clock.ts'
import { hashSecret, Secret } from '../../src/lib/secret.ts'
import type { SessionRecord } from '../../src/registry/records.ts'
import type { UpstreamSession } from './fake-upstream.ts'
import { type Deed, isOf } from './orders.ts'
import type { World } from './world.ts'

/** Codes with which a mint may be refused because of the faults of this test. */
const FAULTS: readonly string[] = [
  'store_unavailable',
  'upstream_unavailable',
  'upstream_timeout',
  'upstream_invalid_response',
  'request_timeout',
]

/** A client secret that left the service. */
interface Held {
  readonly mint: Deed<'mint'>
  readonly session: UpstreamSession
}

/**
 * A mint that was answered: was it allowed, and is its session in the registry?
 *
 * @param world - at the moment of the answer
 */
export async function wrongWithMint(world: World, mint: Deed<'mint'>): Promise<string[]> {
  const wrong: string[] = []
  const { order, result } = mint
  if (mint.createdAt !== undefined && isBlockedThroughout(world, mint)) {
    wrong.push('a mint that began after the revoke was answered asked the upstream')
  }
  if (mint.createdAt !== undefined && logoutsBefore(world, mint).length > 0) {
    wrong.push('a token from before an answered logout asked the upstream')
  }
  if (result?.minted === undefined) return [...wrong, ...wrongWithRefusal(world, mint)]
  if (isBlockedThroughout(world, mint)) wrong.push('a blocked user minted')
  if (logoutsBefore(world, mint).length > 0) wrong.push('a token from before a logout minted')
  if (wasEvictedBefore(world, mint)) wrong.push('an evicted session was refreshed')
  const record = await world.observer.getSession(result.minted.session)
  const hash = hashSecret(new Secret(result.minted.secret))
  if (record?.user !== order.user || record.secretHash !== hash) {
    wrong.push('a secret left whose session is not in the registry')
  }
  return wrong
}

/** If a backend was told that a session has ended, the upstream must know it too. */
export function wrongWithCancel(world: World, { order, result }: Deed<'cancel'>): string[] {
  const session = world.upstream.sessions.get(order.session)
  const isWrong = result?.status !== undefined && session && world.upstream.works(session)
  return isWrong ? [`a cancel answered "${result.status}", and ${order.session} works`] : []
}

/** Whether the caller's own session was seen evicted when it began to refresh. */
function wasEvictedBefore(world: World, { order, begun }: Deed<'mint'>): boolean {
  const current = heldSecrets(world).find(({ session }) => session.secret === order.current)
  if (current?.mint.order.user !== order.user) return false
  const seen = world.evicted.get(current.session.id)
  return seen !== undefined && seen < begun
}

/**
 * Notes which held sessions have been evicted by now; there are none where a user at the cap is refused.
 *
 * @param world - at any moment
 */
export async function noteEvicted(world: World): Promise<void> {
  if (world.cap.whenFull === 'deny') return
  const unseen = heldSecrets(world).filter(({ session }) => !world.evicted.has(session.id))
  const records = await Promise.all(
    unseen.map(({ session }) => world.observer.getSession(session.id)),
  )
  for (const record of records) {
    if (record?.endReason === 'evicted') world.evicted.set(record.id, world.event())
  }
}

/** A block whose revoke had been answered when the mint began, and that still stands. */
function isBlockedThroughout(world: World, mint: Deed<'mint'>): boolean {
  return blocksThatStand(world, mint.order.user).some(({ ended }) => (ended ?? 0) < mint.begun)
}

/** Answered revokes whose block must stand now: no lift began beside them or after them. */
function blocksThatStand(world: World, user: string): readonly Deed<'revoke'>[] {
  const lifts = world.deeds.filter(isOf('lift')).filter(({ order }) => order.user === user)
  return world.deeds.filter(isOf('revoke')).filter(({ order, begun, result }) => {
    if (order.user !== user || order.blockSeconds === 0 || result === undefined) return false
    const stands = unixSeconds(() => world.clock.nowMs) < (result.blockedUntil ?? 0)
    return stands && lifts.every(({ ended = Number.POSITIVE_INFINITY }) => ended < begun)
  })
}

/** Logouts, answered before the mint began, that its token was issued before. */
function logoutsBefore(world: World, mint: Deed<'mint'>): readonly Deed<'logout'>[] {
  return world.deeds
    .filter(isOf('logout'))
    .filter(({ result, ended }) => result !== undefined && (ended ?? 0) < mint.begun)
    .filter(({ order }) => ends(order, mint.order) && isOlder(mint.order, order))
}

/** OpenID Connect Back-Channel Logout 1.0 §2.7, and tokens that carry no `sid`. */
function ends(logout: Deed<'logout'>['order'], mint: Deed<'mint'>['order']): boolean {
  // The issuer of a key's sessions is the key, so no provider's logout ends them.
  if (mint.byKey) return false
  if (logout.sid === undefined) return logout.user === mint.user
  return logout.sid === mint.sid || (mint.sid === undefined && logout.user === mint.user)
}

function isOlder(mint: Deed<'mint'>['order'], logout: Deed<'logout'>['order']): boolean {
  return mint.issuedAt === undefined || mint.issuedAt <= logout.issuedAt
}

/** A refusal needs a cause that had begun before it. */
function wrongWithRefusal(world: World, { order, error, ended = 0 }: Deed<'mint'>): string[] {
  const begun = world.deeds.filter((deed) => deed.begun < ended)
  const raised = begun.some(
    ({ order: other }) =>
      ((other.kind === 'revoke' || other.kind === 'sign_out') && other.user === order.user) ||
      (other.kind === 'logout' && (other.user === order.user || other.sid?.startsWith(order.user))),
  )
  const loggedOut = begun.filter(isOf('logout')).some((logout) => ends(logout.order, order))
  const reasons: Record<string, boolean> = {
    user_blocked: raised,
    invalid_token: loggedOut,
    session_limit: world.cap.whenFull === 'deny' || order.current !== undefined,
  }
  if (error === undefined || FAULTS.includes(error) || reasons[error]) return []
  return [`a mint was refused without a reason: ${error}`]
}

/**
 * Checks the claims that hold whenever the outbox is empty.
 *
 * @param world - between two events
 */
export function wrongWithSecrets(world: World): string[] {
  return heldSecrets(world)
    .filter(({ session }) => world.upstream.works(session))
    .flatMap((held) => endedBy(world, held).map((by) => `${held.session.id} still works: ${by}`))
}

/** The answered deeds that should have ended this secret. */
function endedBy(world: World, { mint, session }: Held): readonly string[] {
  const { user } = mint.order
  const answered = world.deeds.filter(({ result }) => result !== undefined)
  const late = answered.filter(({ begun }) => (mint.createdAt ?? 0) < begun)
  const why: string[] = []
  if (late.filter(isOf('revoke')).some((deed) => deed.order.user === user)) why.push('revoked')
  if (late.filter(isOf('sign_out')).some((deed) => deed.order.user === user)) why.push('signed out')
  if (blocksThatStand(world, user).length > 0) why.push('its user is blocked')
  const cancelled = answered.filter(isOf('cancel')).filter(({ result }) => result?.known)
  if (cancelled.some(({ order }) => order.session === session.id)) why.push('cancelled')
  const refreshed = answered.filter(isOf('mint')).filter(({ order }) => order.user === user)
  if (refreshed.some(({ order }) => order.current === session.secret)) why.push('replaced')
  for (const { order, begun } of answered.filter(isOf('logout'))) {
    if (!ends(order, mint.order)) continue
    if ((mint.ended ?? 0) < begun || isOlder(mint.order, order)) why.push('logged out')
  }
  return why
}

/**
 * Checks the claims that hold at any moment.
 *
 * @param world - between two events
 */
export async function wrongWithCap({ observer, users, cap, clock }: World): Promise<string[]> {
  const now = unixSeconds(() => clock.nowMs)
  const live = users.map(async (user) => {
    const question = { user, identity: { issuer: '' }, exactFrom: 1, now }
    return (await observer.readStanding(question)).liveSessions ?? Number.POSITIVE_INFINITY
  })
  const most = Math.max(...(await Promise.all(live)))
  return most > cap.max ? [`${most} live sessions where ${cap.max} are allowed`] : []
}

/**
 * Checks the claims that hold when nothing is under way and the outbox has had its time.
 *
 * @param world - at its end
 */
export async function wrongAtTheEnd(world: World): Promise<string[]> {
  const held = new Map(heldSecrets(world).map((one) => [one.session.id, one]))
  const wrong = wrongWithSecrets(world)
  const sessions = [...world.upstream.sessions.values()]
  const records = await Promise.all(sessions.map(({ id }) => world.observer.getSession(id)))
  for (const [at, session] of sessions.entries()) {
    const record = records[at]
    if (record === undefined) {
      if (held.has(session.id)) wrong.push(`${session.id} was lost from the books`)
    } else if (unixSeconds(() => world.clock.nowMs) < session.expiresAt) {
      wrong.push(...wrongWithBooks(world, record, { session, held: held.get(session.id) }))
    }
  }
  return wrong
}

function wrongWithBooks(
  world: World,
  record: SessionRecord,
  { session, held }: { session: UpstreamSession; held: Held | undefined },
): string[] {
  const says = `${session.id} is ${record.status} (${record.endReason})`
  if (record.status === 'cancelling') return [`${says}: lost from the outbox`]
  if (record.status === 'cancelled' && session.active) return [`${says} but works`]
  if (record.status === 'active' && !session.active && held) return [`${says} but works no more`]
  if (record.status === 'cancelled' && held && !isJustified(world, record, held)) {
    return [`${says} for no reason`]
  }
  return []
}

function isJustified(world: World, { endReason }: SessionRecord, { mint, session }: Held): boolean {
  const { deeds, cap } = world
  const { user } = mint.order
  switch (endReason) {
    case 'revoked':
      return deeds.filter(isOf('revoke')).some(({ order }) => order.user === user)
    case 'signed_out':
      return deeds.filter(isOf('sign_out')).some(({ order }) => order.user === user)
    case 'logged_out':
      return deeds.filter(isOf('logout')).some(({ order }) => ends(order, mint.order))
    case 'evicted':
      return cap.whenFull === 'evict_oldest'
    case 'replaced':
      return deeds
        .filter(isOf('mint'))
        .some(({ order }) => order.user === user && order.current === session.secret)
    case 'cancelled':
      return deeds.filter(isOf('cancel')).some(({ order }) => order.session === session.id)
    default:
      return false
  }
}

/**
 * The client secrets that left.
 *
 * @param world - at any moment
 */
export function heldSecrets(world: World): readonly Held[] {
  return world.deeds.filter(isOf('mint')).flatMap((mint) => {
    const session = world.upstream.sessions.get(mint.result?.minted?.session ?? '')
    return session === undefined ? [] : [{ mint, session }]
  })
}
