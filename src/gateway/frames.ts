/** A frame of an event stream: what stands between two empty lines. */
export interface Frame {
  /** As it goes on: its lines, each ended by LF, and an empty one. */
  readonly text: string
  /** Of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
}

/** A stream that is none, or one whose frames are too long to be looked at. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/** Cuts a stream into frames. */
export interface FrameCutter {
  /** The frames that are whole with this chunk. @throws {@link FrameError} */
  push(chunk: Uint8Array): Generator<Frame, void, void>
  /** Whether a frame has begun that is not whole. */
  pending(): boolean
}

const LF = 10
const CR = 13

/**
 * Cuts on bytes, wherever chunks and characters end. Lines end as event streams have it, in LF, CR or
 * both: a client that saw two frames where we saw one would see one that was not looked at. So every
 * frame goes on with LF alone.
 *
 * Source: HTML Standard, section 9.2.6 (interpreting an event stream).
 *
 * @param maxBytes - of a frame
 */
export function createFrameCutter(maxBytes: number): FrameCutter {
  // A byte order mark goes: before `data:` it would hide from us what a client reads.
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let parts: Uint8Array[] = []
  let size = 0
  let lineIsEmpty = true
  let afterCr = false

  const keep = (part: Uint8Array): void => {
    size += part.length
    if (size > maxBytes) throw new FrameError(`a frame of more than ${maxBytes} bytes`)
    if (part.length > 0) parts.push(part)
  }
  const take = (): Frame | undefined => {
    const lines = decode(utf8, Buffer.concat(parts, size)).split(/\r\n|\r|\n/)
    parts = []
    size = 0
    return frameOf(lines.filter((line) => line !== ''))
  }

  return {
    *push(chunk) {
      let start = 0
      for (let at = 0; at < chunk.length; at++) {
        const byte = chunk[at]
        const endsCrLf = byte === LF && afterCr
        afterCr = byte === CR
        if (endsCrLf) continue
        if (byte !== LF && byte !== CR) {
          lineIsEmpty = false
          continue
        }
        if (lineIsEmpty) {
          keep(chunk.subarray(start, at + 1))
          start = at + 1
          const frame = take()
          if (frame !== undefined) yield frame
        }
        lineIsEmpty = true
      }
      // A copy: the chunk's memory is much larger than the little that may be left of it.
      keep(new Uint8Array(chunk.subarray(start)))
    },
    pending: () => parts.some((part) => part.some((byte) => byte !== LF && byte !== CR)),
  }
}

function decode(utf8: TextDecoder, bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new FrameError('a frame that is not UTF-8')
  }
}

function frameOf(lines: readonly string[]): Frame | undefined {
  if (lines.length === 0) return undefined
  const values = lines.filter((line) => /^data(?::|$)/.test(line))
  const data = values.map((line) => line.slice(5).replace(/^ /, '')).join('\n')
  return { text: `${lines.join('\n')}\n\n`, data: values.length === 0 ? undefined : data }
}
