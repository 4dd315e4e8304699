// Streams an answer as text that is made while it is sent: lines of JSON (NDJSON), or a page.

import type { AppContext } from './context.ts'

/** Media type of an answer with one JSON object per line. */
export const NDJSON = 'application/x-ndjson'

/**
 * Lines are sent together in chunks of about this size: one chunk per line would cost more than the
 * line.
 */
const CHUNK_BYTES = 16 * 1024

/** The settings of {@link streamTexts}. */
interface StreamOptions {
  /** Value of `Content-Type`; {@link NDJSON} when absent. */
  readonly type?: string
  /** Sends each text as soon as it is read. */
  readonly atOnce?: boolean
  /** Called when reading the texts failed. The answer is cut off, so the client sees that it is incomplete. */
  readonly onError: (error: unknown) => void
}

/**
 * Streams lines of JSON, see {@link streamTexts}.
 *
 * @param batches - some lines at a time
 */
export function streamLines(
  c: AppContext,
  batches: AsyncIterable<readonly unknown[]>,
  options: StreamOptions,
): Promise<Response> {
  return streamTexts(c, textsOf(batches), options)
}

async function* textsOf(batches: AsyncIterable<readonly unknown[]>) {
  for await (const lines of batches) {
    yield lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  }
}

/**
 * Streams texts as they are read. Waits for the first of them, because until then an error can still set the
 * status of the answer.
 *
 * @param texts - ended when the client leaves
 * @throws the error of the first text
 */
export async function streamTexts(
  c: AppContext,
  texts: AsyncGenerator<string, void, undefined>,
  options: StreamOptions,
): Promise<Response> {
  const first = await texts.next()
  const encoder = new TextEncoder()
  let waiting = first.value ?? ''
  let ended = first.done === true

  async function fill(): Promise<void> {
    const enough = options.atOnce ? 1 : CHUNK_BYTES
    while (!ended && waiting.length < enough) {
      const { done, value } = await texts.next()
      if (done) ended = true
      else waiting += value
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
        // Not awaited, because the generator may be busy with a text.
        void texts.return().catch(() => undefined)
      },
    },
    { highWaterMark: 0 },
  )
  return c.body(body, 200, { 'Content-Type': options.type ?? NDJSON })
}
