import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionKey } from '../registry/records.ts'

/** Why a stream has to end: its session has, or nobody can say whether it has. */
export type SessionEnd = 'session_ended' | 'store_unavailable'

/** Ends streams with their sessions. */
export interface OpenStreams {
  /**
   * @param session - that the stream is answered to
   * @param onEnd - called at most once
   * @returns stops watching
   */
  watch(session: SessionKey, onEnd: (end: SessionEnd) => void): () => void
}

/** How often the store is asked, in milliseconds: twice within the second that a cancel may take. */
const INTERVAL_MS = 500
/** Without an answer of the store for so long, streams end: a revoke may be among what we do not hear. */
const GRACE_MS = 5000

interface Watched {
  readonly session: SessionKey
  readonly onEnd: (end: SessionEnd) => void
  /** When the store last vouched for the session; by a clock that nobody sets. */
  vouchedAt: number
}

/**
 * One question to the store for all streams of this process, twice a second while there are any.
 *
 * @param options - the store, the time
 */
export function createOpenStreams(options: {
  readonly registry: Pick<Registry, 'endedAmong'>
  readonly now: Clock
  readonly log: Log
}): OpenStreams {
  const { registry, now, log } = options
  const watched = new Set<Watched>()
  let timer: NodeJS.Timeout | undefined
  let asking = false

  const end = (stream: Watched, why: SessionEnd): void => {
    if (watched.delete(stream)) stream.onEnd(why)
  }
  const ask = async (): Promise<void> => {
    const asked = [...watched]
    const askedAt = performance.now()
    const sessions = new Map(asked.map(({ session }) => [session.id, session]))
    asking = true
    try {
      const ended = new Set(await registry.endedAmong([...sessions.values()], unixSeconds(now)))
      for (const stream of asked) {
        stream.vouchedAt = askedAt
        if (ended.has(stream.session.id)) end(stream, 'session_ended')
      }
    } catch (error) {
      log.warn({ err: error, streams: watched.size }, 'the store does not say which sessions ended')
    } finally {
      asking = false
    }
  }
  const tick = (): void => {
    const oldest = performance.now() - GRACE_MS
    for (const stream of watched) if (stream.vouchedAt < oldest) end(stream, 'store_unavailable')
    if (watched.size === 0) {
      clearInterval(timer)
      timer = undefined
    } else if (!asking) void ask()
  }

  return {
    watch(session, onEnd) {
      const stream: Watched = { session, onEnd, vouchedAt: performance.now() }
      watched.add(stream)
      timer ??= setInterval(tick, INTERVAL_MS).unref()
      return () => {
        watched.delete(stream)
      }
    },
  }
}
