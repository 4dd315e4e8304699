// Streams an answer as lines of JSON (NDJSON).
import type { AppContext } from './context.ts'

/** Media type of an answer with one JSON object per line. */
export const NDJSON = 'application/x-ndjson'

/**
 * Lines are sent together in chunks of about this size: one chunk per line would cost more than the
 * line.
 */
const CHUNK_BYTES = 16 * 1024

/** The settings of {@link streamLines}. */
export interface NdjsonOptions {
  /** Sends each line as soon as it is read. */
  readonly atOnce?: boolean
  /**
   * Called when reading the lines failed. The answer is cut off, so the client sees that it is
   * incomplete.
   */
  readonly onError: (error: unknown) => void
}

/**
 * Streams lines as they are read. Waits for the first of them, so that an error before it can still be
 * answered as a problem.
 *
 * @param batches - some lines at a time; ended when the client leaves
 * @throws the error of the first batch
 */
export async function streamLines(
  c: AppContext,
  batches: AsyncGenerator<readonly unknown[], void, undefined>,
  options: NdjsonOptions,
): Promise<Response> {
  const first = await batches.next()
  const encoder = new TextEncoder()
  let waiting = first.done ? '' : textOf(first.value)
  let ended = first.done === true

  async function fill(): Promise<void> {
    const enough = options.atOnce ? 1 : CHUNK_BYTES
    while (!ended && waiting.length < enough) {
      const { done, value } = await batches.next()
      if (done) ended = true
      else waiting += textOf(value)
    }
  }

  const body = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          await fill()
        } catch (error) {
          options.onError(error)
          controller.error(error)
          return
        }
        if (waiting !== '') controller.enqueue(encoder.encode(waiting))
        waiting = ''
        if (ended) controller.close()
      },
      cancel() {
        void batches.return().catch(() => undefined)
      },
    },
    { highWaterMark: 0 },
  )
  return c.body(body, 200, { 'Content-Type': NDJSON })
}

function textOf(lines: readonly unknown[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('')
}
