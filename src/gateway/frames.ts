// Cuts an event stream into its frames; those whose type needs no look pass as the bytes they came in.

import { StreamFault } from './stream-fault.ts'

/** A whole frame of an event stream: the lines between two empty ones. */
export interface Frame {
  /** The frame as it goes on: its lines, each ended by LF, and an empty one. */
  readonly text: string
  /** The values of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
}

/** A frame to look at, or bytes that go on as they are. */
export type Piece = Frame | Uint8Array

const LF = 10
const CR = 13

/** Bytes of a frame in which its type stands, as the known servers write it. */
const HEAD_BYTES = 512

/**
 * The beginnings of frames that hold neither a thread nor a link: pieces of text as a model makes them,
 * nearly all there is in a stream. Servers write `type` first; one that does not is looked at whole.
 */
const NEEDS_NO_LOOK =
  /^data: ?\{"type": ?"(?:progress_update"|thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"(?:assistant_message\.content_part\.text_delta|widget\.streaming_text\.value_delta)")/

/**
 * Cuts on bytes, wherever chunks and characters end. Lines may end in LF, CR or both, as the standard
 * has it: a client that saw two frames where we saw one would see one that was not looked at. So every
 * frame goes on with LF alone.
 *
 * Source: HTML Standard, section 9.2.6 (interpreting an event stream).
 *
 * @param maxBytes - the longest frame that is looked at
 * @param hold - told how many bytes are held now, before they are; may throw
 */
export function createFrameCutter(maxBytes: number, hold: (bytes: number) => void) {
  // A byte order mark is removed: before `data:` it would hide from us what a client reads.
  const utf8 = new TextDecoder()
  let parts: Uint8Array[] = []
  let size = 0
  const scanner = createScanner()

  function keep(part: Uint8Array): void {
    size += part.length
    if (size > maxBytes) throw badFrame(`a frame of more than ${maxBytes} bytes`)
    hold(size)
    parts.push(part)
  }

  function taken(): Buffer {
    const bytes = Buffer.concat(parts, size)
    parts = []
    size = 0
    hold(0)
    return bytes
  }

  function* ended(): Generator<Frame, void, void> {
    const frame = frameOf(utf8, taken())
    if (frame.text !== '\n') yield frame
  }

  return {
    /**
     * @returns the frames that are whole with this chunk; neighbours that need no look in one piece
     * @throws `StreamFault` `bad_frame`: too long
     */
    *push(bytes: Uint8Array): Generator<Piece, void, void> {
      const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
      const hasCr = scanner.hasCr(chunk)
      // From here to `start` are frames that pass.
      let passing = 0
      let start = 0
      while (start < chunk.length) {
        const end = scanner.endOf(chunk, start, hasCr)
        if (end !== -1 && size === 0 && !hasCr && needsNoLook(chunk, start)) {
          start = end
          continue
        }
        if (passing < start) yield chunk.subarray(passing, start)
        if (end === -1) {
          // A copy: the chunk's memory is much larger than the little that may be left of it.
          keep(new Uint8Array(chunk.subarray(start)))
          return
        }
        keep(chunk.subarray(start, end))
        yield* ended()
        passing = start = end
      }
      if (passing < start) yield chunk.subarray(passing, start)
    },
    /** @returns the frame that has begun when the stream ends, though its empty line is missing */
    rest: ended,
  }
}

/** Finds the ends of frames, and remembers how a chunk ended. */
function createScanner() {
  let lineIsEmpty = true
  let afterCr = false
  return {
    hasCr: (chunk: Buffer): boolean => afterCr || chunk.indexOf(CR) !== -1,
    /** Index after the empty line that ends the frame; -1 when the chunk ends before. */
    endOf(chunk: Buffer, from: number, hasCr: boolean): number {
      if (!hasCr) {
        if (lineIsEmpty && chunk[from] === LF) return from + 1
        const at = chunk.indexOf('\n\n', from, 'latin1')
        lineIsEmpty = at !== -1 || chunk[chunk.length - 1] === LF
        return at === -1 ? -1 : at + 2
      }
      for (let at = from; at < chunk.length; at++) {
        const byte = chunk[at]
        const endsCrLf = byte === LF && afterCr
        afterCr = byte === CR
        if (endsCrLf) continue
        if (byte !== LF && byte !== CR) lineIsEmpty = false
        else if (lineIsEmpty) return at + 1
        else lineIsEmpty = true
      }
      return -1
    },
  }
}

function needsNoLook(chunk: Buffer, start: number): boolean {
  return NEEDS_NO_LOOK.test(chunk.toString('latin1', start, start + HEAD_BYTES))
}

function frameOf(utf8: TextDecoder, bytes: Uint8Array): Frame {
  let text = ''
  let data: string | undefined
  for (const line of utf8.decode(bytes).split(/\r\n|\r|\n/)) {
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
