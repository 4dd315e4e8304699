// Reads a body up to a limit of bytes.

/** The body is longer than the limit. */
export class TooLargeError extends Error {
  override readonly name = 'TooLargeError'
}

/**
 * Reads a body to its end, or until it is longer than `limit` bytes. If a server sends 300 MB, only one chunk
 * beyond the limit is read, and the connection is closed.
 *
 * @param body - chunks of bytes; abandoned (and thereby destroyed) when it is too long
 * @param limit - bytes
 * @param hold - called before more bytes are held, with their new total; an error that it throws ends the
 * reading
 * @throws {@link TooLargeError} when the body is longer
 */
export async function readBounded(
  body: AsyncIterable<Uint8Array>,
  limit: number,
  hold?: (bytes: number) => void,
): Promise<Buffer> {
  // A list of chunks of one byte would take a hundred times the length of the body.
  let bytes: Buffer = Buffer.alloc(0)
  let length = 0
  for await (const chunk of body) {
    const total = length + chunk.length
    if (total > limit) throw new TooLargeError(`more than ${limit} bytes`)
    hold?.(total)
    if (total > bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(total, 2 * length))
      bytes.copy(larger, 0, 0, length)
      bytes = larger
    }
    bytes.set(chunk, length)
    length = total
  }
  return bytes.subarray(0, length)
}
