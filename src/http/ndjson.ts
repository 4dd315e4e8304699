// Streams an answer as lines of JSON (NDJSON).
import type { AppContext } from './context.ts'

/** As the contract has it: one JSON object a line. */
export const NDJSON = 'application/x-ndjson'

/** Lines go out together until they are so many bytes: a chunk each would cost more than they hold. */
const CHUNK_BYTES = 16 * 1024

/** How lines become an answer. */
export interface NdjsonOptions {
  /** Each line goes out as it comes. */
  readonly atOnce?: boolean
  /** Nobody reads any more. */
  readonly onGone?: (reason: unknown) => void
  /** The lines ended with an error: the answer is cut, and so known to be truncated. */
  readonly onError: (error: unknown) => void
}

/**
 * Streams lines as they are read. The first is waited for, so that what fails before it can still be
 * a problem.
 *
 * @param c - the request
 * @param batches - some lines at a time; ended when the client leaves
 * @param options - what happens at the ends
 * @throws what the first line throws
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
      cancel(reason) {
        options.onGone?.(reason)
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
