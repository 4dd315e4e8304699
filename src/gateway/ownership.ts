// Records which user owns each thread and attachment at a self-hosted server, and refuses requests for those of
// other users. The server itself need not know about users.

import { setImmediate as turn } from 'node:timers/promises'
import type { RequestIds } from '../chatkit/protocol/ids.ts'
import { isStorable } from '../chatkit/protocol/request.ts'
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { ServiceError } from '../lib/errors.ts'
import type { UserId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import { show, whyOf } from '../lib/show.ts'
import type { OwnedThing } from '../registry/owned-records.ts'
import type { Registry } from '../registry/port.ts'
import type { PageQuery } from '../registry/records.ts'
import type { Call } from './open-call.ts'

/** Most ids that one request may name, because each costs the store a lookup. */
const MAX_IDS = 256
/** Most ids in the application's own data. It is higher, because each row of a tool's result may have an id. */
const MAX_MENTIONED = 10_000
/** Most ids in one call of the store, during which neither SQLite nor Redis does anything else. */
const LOOKED_UP = 1000

/** A thread or an attachment at the call's server. */
export type Thing = Pick<OwnedThing, 'kind' | 'id'>

export type GatewayOwnership = ReturnType<typeof createOwnership>

export function createOwnership({
  registry,
  now,
  log,
}: {
  readonly registry: Pick<
    Registry,
    'claimOwnership' | 'ownersOf' | 'listOwned' | 'releaseOwnership'
  >
  readonly now: Clock
  readonly log: Log
}) {
  /**
   * The owners, in the order of `things`; undefined for a thing that nobody owns, or whose id no store accepts.
   */
  async function ownersOf({ workflow: { threadsAt: source } }: Call, things: readonly Thing[]) {
    const possible = things.filter(isStorable)
    const asked = possible.map((thing) => ({ ...thing, source }))
    const owners: (UserId | undefined)[] = []
    for (let at = 0; at < asked.length; at += LOOKED_UP) {
      if (at > 0) await turn()
      owners.push(...(await registry.ownersOf(asked.slice(at, at + LOOKED_UP))))
    }
    const found = new Map(possible.map((thing, at) => [thing, owners[at]]))
    return things.map((thing) => found.get(thing))
  }

  /**
   * Records the caller as the owner of a thing that was just created. The record is durable when the promise
   * resolves.
   *
   * @returns false when the thing already has an owner, even if that is the caller
   */
  async function claimNew({ workflow, session }: Call, thing: Thing): Promise<boolean> {
    if (!isStorable(thing)) return false
    const owner = { source: workflow.threadsAt, user: session.user, createdAt: unixSeconds(now) }
    return (await registry.claimOwnership({ ...thing, ...owner })) === 'claimed'
  }

  /** Like {@link claimNew}, but also true when the caller already owns the thing. */
  async function claim(call: Call, thing: Thing): Promise<boolean> {
    if (await claimNew(call, thing)) return true
    const [owner] = await ownersOf(call, [thing])
    return owner === call.session.user
  }

  /**
   * Removes the record of a thing that the server no longer has. A record that is left does no harm, so a
   * failure of the store does not turn a successful delete into an error.
   */
  async function release({ workflow, session: { user } }: Call, thing: Thing): Promise<void> {
    const source = workflow.threadsAt
    try {
      await registry.releaseOwnership({ ...thing, source, user })
    } catch (error) {
      log.warn({ ...whyOf(error), source }, 'a record of ownership was left behind')
    }
  }

  /** A page of the caller's threads in the order of claims; undefined when the cursor is not one of them. */
  function listOwned({ workflow, session: { user } }: Call, page: PageQuery) {
    return registry.listOwned({ ...page, source: workflow.threadsAt, kind: 'thread', user })
  }

  return { ownersOf, claimNew, claim, listOwned, release }
}

/**
 * Refuses a request that names anything that is not the caller's. Call it before the server gets the request.
 *
 * @param ids - all ids in the request. Ids that are only `mentioned` may be unknown. `shows`: the thread that
 * the request only reads; with `adopt_threads` it may be one that nobody owns
 * @returns the thread to adopt once the server has shown it, if there is one
 * @throws `not_found`, for another user's thing as for an unknown one; `invalid_request` for too many ids;
 * `store_unavailable`
 */
export async function requireOwn(
  ownership: Pick<GatewayOwnership, 'ownersOf'>,
  call: Call,
  ids: Omit<RequestIds, 'items' | 'otherSpelling'> & { readonly shows?: string | undefined },
): Promise<Thing | undefined> {
  const { workflow, session } = call
  const named = thingsOf(ids)
  const mentioned = thingsOf(ids.mentioned).filter(isStorable)
  if (named.length > MAX_IDS || mentioned.length > MAX_MENTIONED) {
    throw new ServiceError('invalid_request', { reason: 'more ids than a request may name' })
  }
  if (!named.every(isStorable)) {
    const impossible = named.find((thing) => !isStorable(thing))
    throw notFound('that no store can hold', impossible)
  }
  const things = [...named, ...mentioned]
  // As with the first message of a new thread.
  if (things.length === 0) return undefined
  const owners = await ownership.ownersOf(call, things)
  const foreign = owners.findIndex((owner) => owner !== undefined && owner !== session.user)
  if (foreign !== -1) throw notFound('of another', things[foreign])
  const [only, ...more] = named.filter((_, at) => owners[at] === undefined)
  if (only === undefined) return undefined
  const adopts = workflow.adoptThreads && only.kind === 'thread' && only.id === ids.shows
  if (!adopts || more.length > 0) throw notFound('of nobody', only)
  return only
}

function thingsOf({ threads, attachments }: RequestIds['mentioned']): Thing[] {
  return [
    ...threads.map((id) => ({ kind: 'thread', id }) as const),
    ...attachments.map((id) => ({ kind: 'attachment', id }) as const),
  ]
}

/**
 * The answer is the same in all cases, because a difference would tell which ids exist.
 *
 * @param thing - for the log, because a request may name many
 */
export function notFound(reason: string, thing?: Thing): ServiceError {
  const which = thing === undefined ? '' : `: ${thing.kind} ${show(thing.id)}`
  return new ServiceError('not_found', { reason: `an id ${reason}${which}` })
}
