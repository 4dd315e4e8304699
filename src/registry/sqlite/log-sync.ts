// Waits until SQLite's write-ahead log is on the disk, without blocking the event loop.
import { ServiceError } from '../../lib/errors.ts'
import { asServiceError } from './failure.ts'

/** For those who wait, a disk that takes longer has failed. Milliseconds. */
const PATIENCE_MS = 3_000

/**
 * Makes the wait that gives commits of `synchronous=NORMAL` what `synchronous=FULL` promises: when it resolves, no
 * power failure can undo what was committed before it began. SQLite's own sync stops the event loop for
 * milliseconds in every commit; here requests go on meanwhile, and one sync serves all who came before it began.
 *
 * @param log - `sync` brings the log to the disk; `copy` copies all of it into the database file and syncs that
 */
export function createLogSync({
  sync,
  copy,
}: {
  readonly sync: () => Promise<void>
  readonly copy: () => void
}) {
  let running: Promise<void> | undefined
  let next: Promise<void> | undefined
  let failed = false

  async function begin(): Promise<void> {
    try {
      // Linux takes the pages of a failed sync for written: the next sync would succeed without them. So
      // their content is written once more, to the database file.
      if (failed) copy()
      else await sync()
      failed = false
    } catch (error) {
      failed = true
      throw asServiceError(error)
    } finally {
      running = next
      next = undefined
    }
  }

  /** A sync that is under way may have begun before the caller's commit, so it does not serve the caller. */
  function sinceNow(): Promise<void> {
    if (running !== undefined) next ??= running.then(begin, begin)
    else running = begin()
    return next ?? running
  }

  /** @throws ServiceError `store_unavailable` */
  return (): Promise<void> =>
    new Promise((resolve, reject) => {
      const reason = `the disk has not confirmed a write within ${PATIENCE_MS} ms`
      const late = () => reject(new ServiceError('store_unavailable', { reason }))
      const timer = setTimeout(late, PATIENCE_MS)
      sinceNow()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer))
    })
}
