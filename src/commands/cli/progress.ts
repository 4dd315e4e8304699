// A line on standard error that counts while long work goes on.

import progress from 'cli-progress'
import type { Io } from './io.ts'

/**
 * Shows nothing where standard error is not a terminal, so that logs stay clean, nor where the
 * result's own lines go to one.
 *
 * @param what - what is going on, as in `exporting`
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
    // How much there is, only the end tells: no bar, but numbers that grow.
    format: (_options, params, payload: { counts?: string }) => {
      const seconds = Math.round((io.now() - params.startTime) / 1000)
      return `${what}: ${payload.counts ?? '…'} (${seconds} s)`
    },
  }
  const bar = new progress.SingleBar(options)
  bar.start(1, 0, {})
  return {
    /** @param counts - numbers by name */
    show(counts: Readonly<Record<string, number>>): void {
      const text = Object.entries(counts).map(([name, count]) => `${count} ${name}`)
      bar.update(0, { counts: text.join(', ') })
    },
    /** Takes the line away. */
    stop: () => bar.stop(),
  }
}
