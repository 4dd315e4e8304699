// Shows the progress of long work as a count, in one line on standard error.

import progress from 'cli-progress'
import type { Io } from './io.ts'

/**
 * Shows nothing when standard error is not a terminal, so that logs stay clean, and nothing when the result is
 * printed on the terminal.
 *
 * @param what - the work, as in `exporting`
 * @param prints - whether lines go to standard output meanwhile
 */
export function startProgress(io: Io, what: string, prints: boolean) {
  if (io.stderr.isTTY !== true || (prints && io.stdout.isTTY === true))
    return { show: () => {}, stop: () => {} }
  const options: progress.Options = {
    stream: io.stderr,
    clearOnComplete: true,
    hideCursor: true,
    fps: 5,
    // The total is not known before the end, so there is no bar but growing numbers.
    format: (_options, params, payload: { counts?: string }) => {
      const seconds = Math.round((io.now() - params.startTime) / 1000)
      return `${what}: ${payload.counts ?? '…'} (${seconds} s)`
    },
  }
  const bar = new progress.SingleBar(options)
  bar.start(1, 0, {})
  return {
    show(counts: Readonly<Record<string, number>>): void {
      const text = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
      bar.update(0, { counts: text.join(', ') })
    },
    /** Removes the line. */
    stop: () => bar.stop(),
  }
}
