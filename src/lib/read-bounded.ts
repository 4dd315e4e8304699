// Reads a body or a file up to a limit of bytes.

import { closeSync, openSync, readSync } from 'node:fs'

/** The body or file is longer than the limit. */
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
): Promise<Buffer<ArrayBuffer>> {
  const bytes = createBoundedBytes(limit, hold)
  for await (const chunk of body) bytes.add(chunk)
  return bytes.all()
}

/**
 * Gathers chunks in one buffer, because a list of chunks of one byte would take a hundred times their length.
 *
 * @param limit - bytes
 * @param hold - called before more bytes are held, with their new total; may refuse by an error
 */
export function createBoundedBytes(limit: number, hold?: (bytes: number) => void) {
  let buffer: Buffer<ArrayBuffer> = Buffer.alloc(0)
  let length = 0
  return {
    /** @throws {@link TooLargeError} when it would be more than `limit`; what `hold` throws */
    add(chunk: Uint8Array): void {
      const total = length + chunk.length
      if (total > limit) throw new TooLargeError(`more than ${limit} bytes`)
      hold?.(total)
      if (total > buffer.length) {
        const larger = Buffer.allocUnsafe(Math.min(limit, Math.max(total, 2 * length)))
        buffer.copy(larger, 0, 0, length)
        buffer = larger
      }
      buffer.set(chunk, length)
      length = total
    },
    /** Without the free rest of the buffer, which could be as large: the bytes may be held for long. */
    all(): Buffer<ArrayBuffer> {
      const bytes = buffer.subarray(0, length)
      return buffer.length - length > length / 8 ? Buffer.from(bytes) : bytes
    },
  }
}

/**
 * Reads a file to its end, or until it is longer than `limit` bytes: `/dev/zero` has no end.
 *
 * @throws {@link TooLargeError} when the file is longer; the system's error when it cannot be read
 */
export function readFileBounded(path: string, limit: number): Buffer {
  const buffer = Buffer.allocUnsafe(limit + 1)
  const file = openSync(path, 'r')
  try {
    for (let length = 0; length <= limit; ) {
      const read = readSync(file, buffer, { offset: length })
      if (read === 0) return Buffer.from(buffer.subarray(0, length))
      length += read
    }
  } finally {
    closeSync(file)
  }
  throw new TooLargeError(`more than ${limit} bytes`)
}
