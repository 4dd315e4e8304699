import { CommandError, EXIT } from '../exit.ts'

/** A thread item with a whole conversation in it is some megabytes at most. */
const MAX_LINE_CHARACTERS = 64 * 1024 * 1024

/**
 * Lines of an NDJSON body, as they come. A last line without its line end is a truncated one and is
 * not given out.
 *
 * @param body - bytes in UTF-8
 * @throws {@link CommandError} for a line longer than any of this service's; what the body's reading
 * throws, when the connection breaks
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
      throw new CommandError(EXIT.failed, 'the answer has a line that is too long.')
    }
  }
}
