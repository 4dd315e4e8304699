// Cuts an event stream into its frames.

import { StreamFault } from './stream-fault.ts'

/** A frame of an event stream: the lines between two empty ones. */
export interface Frame {
  /** The frame as it goes on: its lines, each ended by LF, and an empty one. */
  readonly text: string
  /** The values of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
}

const LF = 10
const CR = 13

/**
 * Cuts on bytes, wherever chunks and characters end. Lines may end in LF, CR or both, as the standard
 * has it: a client that saw two frames where we saw one would see one that was not looked at. So every
 * frame goes on with LF alone.
 *
 * Source: HTML Standard, section 9.2.6 (interpreting an event stream).
 *
 * @param maxBytes - the longest frame
 */
export function createFrameCutter(maxBytes: number) {
  // A byte order mark is removed: before `data:` it would hide from us what a client reads.
  const utf8 = new TextDecoder('utf-8', { fatal: true })
  let parts: Uint8Array[] = []
  let size = 0
  let lineIsEmpty = true
  let afterCr = false

  const keep = (part: Uint8Array): void => {
    size += part.length
    if (size > maxBytes) throw badFrame(`a frame of more than ${maxBytes} bytes`)
    if (part.length > 0) parts.push(part)
  }

  return {
    /**
     * @returns the frames that are whole with this chunk
     * @throws `StreamFault` `bad_frame`: too long, or not UTF-8
     */
    *push(chunk: Uint8Array): Generator<Frame, void, void> {
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
          const frame = frameOf(utf8, Buffer.concat(parts, size))
          parts = []
          size = 0
          if (frame.text !== '\n') yield frame
        }
        lineIsEmpty = true
      }
      // A copy: the chunk's memory is much larger than the little that may be left of it.
      keep(new Uint8Array(chunk.subarray(start)))
    },
    /** @returns whether a frame has begun that is not whole */
    pending: () => parts.some((part) => part.some((byte) => byte !== LF && byte !== CR)),
  }
}

function frameOf(utf8: TextDecoder, bytes: Uint8Array): Frame {
  let whole: string
  try {
    whole = utf8.decode(bytes)
  } catch {
    throw badFrame('a frame that is not UTF-8')
  }
  let text = ''
  let data: string | undefined
  for (const line of whole.split(/\r\n|\r|\n/)) {
    if (line === '') continue
    text += `${line}\n`
    if (!/^data(?::|$)/.test(line)) continue
    const value = line.slice(5).replace(/^ /, '')
    data = data === undefined ? value : `${data}\n${value}`
  }
  return { text: `${text}\n`, data }
}

function badFrame(reason: string): StreamFault {
  return new StreamFault('bad_frame', new Error(reason))
}
