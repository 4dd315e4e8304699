// Ends open streams when their session is cancelled or their user is revoked; expiry and refresh end none.
// One query asks the store about all streams of this process, twice a second while there are any.

import type { Log } from '../lib/log.ts'
import type { Registry } from '../registry/port.ts'
import type { SessionKey } from '../registry/records.ts'

/** The reason why a stream must end: its session was cancelled, or the store cannot say whether it was. */
export type SessionEnd = 'session_ended' | 'store_unavailable'

/** Milliseconds between two queries: a cancel must end streams within a second. */
const INTERVAL_MS = 500
/** Streams end after this long without an answer of the store, which may hold a revoke. Milliseconds. */
const GRACE_MS = 5000

interface Watched {
  readonly session: SessionKey
  readonly onEnd: (end: SessionEnd) => void
  /** When the store last said that the answer may run on, by the monotonic clock. */
  vouchedAt: number
}

/** {@link createOpenStreams} */
export type OpenStreams = ReturnType<typeof createOpenStreams>

export function createOpenStreams({
  registry,
  log,
}: {
  readonly registry: Pick<Registry, 'endedAmong'>
  readonly log: Log
}) {
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
      const ended = new Set(await registry.endedAmong([...sessions.values()]))
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
    /**
     * @param session - the session whose request is answered
     * @param onEnd - called at most once
     * @returns stops watching
     */
    watch(session: SessionKey, onEnd: (end: SessionEnd) => void): () => void {
      const stream: Watched = { session, onEnd, vouchedAt: performance.now() }
      watched.add(stream)
      timer ??= setInterval(tick, INTERVAL_MS).unref()
      return () => {
        watched.delete(stream)
      }
    },
  }
}
