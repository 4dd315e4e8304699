// Reads NDJSON answers (an export, an erase) line by line, up to the summary at their end.

import { z } from 'zod'
import { jsonOrUndefined } from '../../../lib/json.ts'
import { CommandError, failure } from '../exit.ts'

const lineSchema = z.looseObject({ type: z.string() })
export type StreamLine = z.infer<typeof lineSchema>

const summarySchema = z.looseObject({ type: z.literal('summary'), complete: z.boolean() })
/** The last line. Without it, it is unknown whether the work was done. */
export type StreamSummary = z.infer<typeof summarySchema>

/**
 * Reads an NDJSON answer to its summary.
 *
 * @param lines - as they come
 * @param truncated - the message when the answer ends without a summary
 * @param take - gets each line, the summary included, as text and parsed; awaited
 * @throws the errors of `take`; a {@link CommandError} of the reading, such as an interrupt
 */
export async function readToSummary(
  lines: AsyncIterable<string>,
  truncated: string,
  take: (text: string, line: StreamLine) => Promise<void> | void,
): Promise<StreamSummary> {
  let summary: StreamSummary | undefined
  for await (const text of untilBroken(lines)) {
    if (summary !== undefined) throw failure('lines follow the summary.')
    const line = checked(lineSchema, jsonOrUndefined(text))
    await take(text, line)
    if (line.type === 'summary') summary = checked(summarySchema, line)
  }
  if (summary === undefined) throw failure(truncated)
  return summary
}

/** Treats a broken connection as the end of the lines. The summary is missing then. */
async function* untilBroken(lines: AsyncIterable<string>): AsyncGenerator<string> {
  try {
    yield* lines
  } catch (error) {
    if (error instanceof CommandError) throw error
  }
}

function checked<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const { data, success } = schema.safeParse(value)
  if (success) return data
  throw failure('the answer has a line that is not what it should be.')
}

/** Longest line; a thread item with a whole conversation in it has a few megabytes. */
const MAX_LINE_CHARACTERS = 64 * 1024 * 1024

/**
 * Lines of an NDJSON body, as they come. A last line without a line end is truncated, and left out.
 *
 * @param body - bytes in UTF-8
 * @throws {@link CommandError} for a line that is too long; the body's own error when the connection breaks
 */
export async function* ndjsonLines(body: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let pieces: string[] = []
  let held = 0
  for await (const bytes of body) {
    const [head = '', ...rest] = decoder.decode(bytes, { stream: true }).split('\n')
    pieces.push(head)
    held += head.length
    for (const next of rest) {
      yield pieces.join('')
      pieces = [next]
      held = next.length
    }
    if (held > MAX_LINE_CHARACTERS) {
      throw failure('the answer has a line that is too long.')
    }
  }
}
