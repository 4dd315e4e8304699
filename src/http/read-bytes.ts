// Reads a body as bytes, within a size and a time, for requests that go on to another server.
import { ServiceError } from '../lib/errors.ts'
import { readBounded, TooLargeError } from '../lib/read-bounded.ts'
import { bodyLength } from './body.ts'
import type { AppContext } from './context.ts'

/** Bounds of a body. */
export interface BodyLimits {
  readonly maxBytes: number
  /** Milliseconds for the body to arrive. */
  readonly milliseconds: number
}

/**
 * Reads the whole body unchanged.
 *
 * @param c - a request whose body nobody has read
 * @throws `body_too_large`, `request_timeout`
 */
export async function readBytes(c: AppContext, limits: BodyLimits): Promise<Uint8Array> {
  const { maxBytes, milliseconds } = limits
  const length = bodyLength(c)
  if (length !== undefined && length > maxBytes) throw tooLarge(maxBytes)
  const { body } = c.req.raw
  if (length === 0 || body === null) return new Uint8Array()
  const reader = body.getReader()
  const letGo = () => reader.cancel().catch(() => undefined)
  let late = false
  const timer = setTimeout(() => {
    late = true
    void letGo()
  }, milliseconds)
  try {
    const bytes = await readBounded(chunksOf(reader), maxBytes)
    // A cancelled body ends without an error, and would look complete.
    if (late) throw new Error('the time was up')
    return bytes
  } catch (error) {
    void letGo()
    if (error instanceof TooLargeError) throw tooLarge(maxBytes)
    throw new ServiceError('request_timeout', { reason: 'the body did not arrive', cause: error })
  } finally {
    clearTimeout(timer)
  }
}

async function* chunksOf(
  reader: ReadableStreamDefaultReader<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

function tooLarge(maxBytes: number): ServiceError {
  return new ServiceError('body_too_large', { reason: `more than ${maxBytes} bytes` })
}
