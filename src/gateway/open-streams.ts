// Ends open streams when their session is cancelled or their user is revoked, but not when it expires or is
// refreshed; and when the process stops. Twice a second, while there are streams, one query asks the store about
// all streams of this process.

import { ServiceError } from '../lib/errors.ts'
import type { Log } from '../lib/log.ts'
import { whyOf } from '../lib/show.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionKey } from '../registry/records.ts'
import { invalidToken } from './open-call.ts'

/** Why a stream must end: its session was cancelled, the store cannot tell whether it was, or the process stops. */
type SessionEnd = 'session_ended' | 'store_unavailable' | 'shutting_down'

/** Milliseconds between two queries, because a cancel must end streams within a second. */
const INTERVAL_MS = 500
/**
 * Ticks without an answer of the store, 5 s, after which streams end: the store may hold a revoke by then. Ticks and
 * not a clock, because a process that was suspended must ask before it ends anything.
 */
const GRACE_TICKS = 10

interface Watched {
  readonly session: SessionKey
  readonly onEnd: (end: SessionEnd) => void
  /** The tick of the last query in which the store let the answer go on. */
  allowedAt: number
}

export type OpenStreams = ReturnType<typeof createOpenStreams>

/** @param parts - `draining`: aborted when the process begins to stop; its streams end `drainMs` later */
export function createOpenStreams({
  registry,
  draining,
  drainMs,
  log,
}: {
  readonly registry: Pick<Registry, 'endedAmong'>
  readonly draining: AbortSignal
  readonly drainMs: number
  readonly log: Log
}) {
  const watched = new Set<Watched>()
  let timer: NodeJS.Timeout | undefined
  let ticks = 0
  let asking = false

  const end = (stream: Watched, why: SessionEnd): void => {
    if (watched.delete(stream)) stream.onEnd(why)
  }
  const ask = async (): Promise<void> => {
    const asked = [...watched]
    const askedAt = ticks
    const sessions = new Map(asked.map(({ session }) => [session.id, session]))
    asking = true
    try {
      const ended = new Set(await registry.endedAmong([...sessions.values()]))
      for (const stream of asked) {
        stream.allowedAt = askedAt
        if (ended.has(stream.session.id)) end(stream, 'session_ended')
      }
    } catch (error) {
      log.warn(
        { ...whyOf(error), streams: watched.size },
        'the store does not say which sessions ended',
      )
    } finally {
      asking = false
    }
  }
  const tick = (): void => {
    const oldest = ++ticks - GRACE_TICKS
    for (const stream of watched) if (stream.allowedAt < oldest) end(stream, 'store_unavailable')
    if (watched.size === 0) {
      clearInterval(timer)
      timer = undefined
    } else if (!asking) void ask()
  }

  const endAll = (): void => {
    for (const stream of watched) end(stream, 'shutting_down')
  }
  draining.addEventListener('abort', () => setTimeout(endAll, drainMs).unref())

  return {
    /**
     * For an upload whose body has arrived: it began before, so expiry and replacement do not refuse it.
     *
     * @throws `invalid_token` if the session was cancelled or its user revoked; `store_unavailable`
     */
    async requireNotEnded(session: SessionKey): Promise<void> {
      const ended = await registry.endedAmong([session])
      if (ended.length > 0) throw endOf('session_ended')
    },
    /**
     * @param onEnd - called at most once
     * @returns a function that ends the watch
     */
    watch(session: SessionKey, onEnd: (end: SessionEnd) => void): () => void {
      const stream: Watched = { session, onEnd, allowedAt: ticks }
      watched.add(stream)
      timer ??= setInterval(tick, INTERVAL_MS).unref()
      return () => {
        watched.delete(stream)
      }
    },
  }
}

/** The error for a request whose session ends before the client has an answer. */
export function endOf(why: SessionEnd): ServiceError {
  switch (why) {
    case 'session_ended':
      return invalidToken('the session ended before the answer came')
    case 'store_unavailable':
      return new ServiceError(why, { reason: 'the store does not say whether the session ended' })
    case 'shutting_down':
      return new ServiceError(why, {
        reason: 'the server did not answer before the process stopped',
      })
  }
}
