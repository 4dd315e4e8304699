import type { RequestIds } from '../chatkit/protocol/ids.ts'
import { unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { OwnedThing } from '../registry/records.ts'
import type { GatewayCall } from './gateway-options.ts'

/** The most ids that one request may name: each costs the store a look. */
const MAX_IDS = 256
const MAX_ID_CHARACTERS = 512

/** Something at the server, in this call's workflow. */
export type Thing = Pick<OwnedThing, 'kind' | 'id'>

/** The ids of a request. */
export interface AskedIds extends Omit<RequestIds, 'items'> {
  /** The thread that the request is about, which may be adopted when nobody owns it. */
  readonly subject: string | undefined
}

/**
 * Refuses a request for anything that is not the caller's, before the server sees it.
 *
 * @param call - whose request it is
 * @param ids - all that it names
 * @returns the thread that has been adopted for it, if one was
 * @throws `not_found`, the same for what is another user's and for what is not there;
 * `invalid_request` for too many ids; `store_unavailable`
 */
export async function requireOwn(call: GatewayCall, ids: AskedIds): Promise<Thing | undefined> {
  const named = [...things('thread', ids.threads), ...things('attachment', ids.attachments)]
  const mentioned = [
    ...things('thread', ids.mentioned.threads),
    ...things('attachment', ids.mentioned.attachments),
  ].filter(isPossible)
  if (named.length + mentioned.length > MAX_IDS) {
    throw new ServiceError('invalid_request', { reason: `more than ${MAX_IDS} ids` })
  }
  if (!named.every(isPossible)) throw notFound('an id that no store can hold')
  const owners = await ownersOf(call, [...named, ...mentioned])
  const { user } = call.session
  if (owners.some((owner) => owner !== undefined && owner !== user)) throw notFound('of another')
  const unowned = named.filter((_, at) => owners[at] === undefined)
  const [only, ...more] = unowned
  if (only === undefined) return undefined
  const adopts = call.workflow.adoptThreads && only.kind === 'thread' && only.id === ids.subject
  if (!adopts || more.length > 0) throw notFound('of nobody')
  if (await claim(call, only)) return only
  throw notFound('of another, since a moment ago')
}

/**
 * Makes something the caller's; durable when it returns.
 *
 * @param call - whose
 * @param thing - new, or already the caller's
 * @returns whether it is the caller's now
 */
export async function claim(call: GatewayCall, thing: Thing): Promise<boolean> {
  if (!isPossible(thing)) return false
  if (await claimNew(call, thing)) return true
  const [owner] = await ownersOf(call, [thing])
  return owner === call.session.user
}

/**
 * Makes something that nobody can know yet the caller's.
 *
 * @param call - whose
 * @param thing - new
 * @returns false when anybody owns it, the caller included
 */
export async function claimNew(call: GatewayCall, thing: Thing): Promise<boolean> {
  if (!isPossible(thing)) return false
  const { name, session, registry, now } = call
  const createdAt = unixSeconds(now)
  const owned = { ...thing, workflow: name, user: session.user, createdAt }
  return (await registry.claimOwnership(owned)) === 'claimed'
}

/**
 * @param call - in which workflow
 * @param asked - any ids
 * @returns owners in the order asked for; of ids that no store can hold, nobody
 */
export async function ownersOf(
  { name, registry }: GatewayCall,
  asked: readonly Thing[],
): Promise<readonly (string | undefined)[]> {
  const possible = asked.filter(isPossible)
  if (possible.length === 0) return asked.map(() => undefined)
  const owners = await registry.ownersOf(possible.map((thing) => ({ ...thing, workflow: name })))
  const found = new Map(possible.map((thing, at) => [thing, owners[at]]))
  return asked.map((thing) => found.get(thing))
}

/**
 * Forgets whose something was that the server no longer has. The record of a thing that is gone does no
 * harm, so a store that is down is no reason to tell the caller that nothing was deleted.
 *
 * @param call - whose
 * @param thing - gone
 */
export async function release(call: GatewayCall, thing: Thing): Promise<void> {
  try {
    await call.registry.releaseOwnership({ ...thing, workflow: call.name })
  } catch (error) {
    call.log.warn({ err: error, workflow: call.name }, 'a record of ownership was left behind')
  }
}

function things(kind: Thing['kind'], ids: readonly string[]): Thing[] {
  return ids.map((id) => ({ kind, id }))
}

function isPossible({ id }: Thing): boolean {
  return id !== '' && id.length <= MAX_ID_CHARACTERS && id.isWellFormed()
}

/** One and the same answer, or it would tell which ids exist. */
function notFound(reason: string): ServiceError {
  return new ServiceError('not_found', { reason: `an id ${reason}` })
}
