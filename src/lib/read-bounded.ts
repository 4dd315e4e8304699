/** The body was longer than the reader was told to accept. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
}

/**
 * Reads a body to its end, but never more than `limit` bytes: a neighbour that answers 300 MB costs
 * us one chunk beyond the limit and its connection.
 *
 * @param body - chunks of bytes; abandoned (and thereby destroyed) when it is too long
 * @param limit - bytes
 * @throws {@link TooLargeError} when there is more
 */
export async function readBounded(body: AsyncIterable<Uint8Array>, limit: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body) {
    length += chunk.length
    if (length > limit) throw new TooLargeError(`more than ${limit} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, length)
}
