// Cuts an event stream into frames. Frames whose type needs no check pass as the bytes in which they came.

import { StreamFault } from './stream-fault.ts'

/** A whole frame of an event stream: the lines between two empty lines. */
export interface Frame {
  /** The frame as it goes on: its lines and an empty line, each ended by LF. */
  readonly text: string
  /** The values of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
}

/** A frame to check, or bytes that go on unchanged. */
export type Piece = Frame | Uint8Array

const LF = 10
const CR = 13

/** The type is searched in this many bytes at the beginning of a frame: known servers write it first. */
const HEAD_BYTES = 512

/**
 * Beginnings of frames that can hold neither a thread nor a link: pieces of a model's text, which are nearly
 * all frames of a stream. A frame that does not begin with its `type` is checked like any other.
 */
const NEEDS_NO_LOOK =
  /^data: ?\{"type": ?"(?:progress_update"|thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"(?:assistant_message\.content_part\.text_delta|widget\.streaming_text\.value_delta)")/

/**
 * Cuts bytes, because a chunk may end within a character or a line. Lines may end in LF, CR or both, as the
 * standard says. A client that read two frames where we read one would read one that was not checked, so a
 * checked frame goes on with LF alone.
 *
 * Source: HTML Standard, section 9.2.6 (interpreting an event stream).
 *
 * @param maxBytes - the longest frame that is checked
 * @param hold - told how many bytes are held in all, before they are held; may throw
 */
export function createFrameCutter(maxBytes: number, hold: (bytes: number) => void) {
  // The decoder removes a byte order mark: with it before `data:`, we would miss data that a client reads.
  const utf8 = new TextDecoder()
  let parts: Uint8Array[] = []
  let size = 0
  const scanner = createScanner()

  function keep(part: Uint8Array): void {
    size += part.length
    if (size > maxBytes) throw tooLong()
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

  const tooLong = () =>
    new StreamFault('bad_frame', new Error(`a frame of more than ${maxBytes} bytes`))

  function* whole(bytes: Uint8Array): Generator<Frame, void, void> {
    const frame = frameOf(utf8, bytes)
    if (frame.text !== '\n') yield frame
  }

  const ended = () => whole(taken())

  return {
    /** Whether a chunk is whole frames that need no check, as nearly all chunks are. */
    passes: (chunk: Buffer): boolean =>
      size === 0 && scanner.isBetweenFrames() && !scanner.hasCr(chunk) && needNoLook(chunk),
    /**
     * @returns the frames that this chunk completes; neighbours that need no check come in one piece
     * @throws `StreamFault` `bad_frame`: too long
     */
    *push(chunk: Buffer): Generator<Piece, void, void> {
      const hasCr = scanner.hasCr(chunk)
      // The frames from here to `start` pass unchecked.
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
          // A copy, because the rest may be small, and a view would keep the memory of the whole chunk.
          keep(new Uint8Array(chunk.subarray(start)))
          return
        }
        if (size > 0) {
          keep(chunk.subarray(start, end))
          yield* ended()
        } else {
          if (end - start > maxBytes) throw tooLong()
          yield* whole(chunk.subarray(start, end))
        }
        passing = start = end
      }
      if (passing < start) yield chunk.subarray(passing, start)
    },
    /** @returns the last frame of a stream that ends without an empty line, if there is one */
    rest: ended,
  }
}

/** Finds the ends of frames, and remembers between chunks whether a line or a CR LF is incomplete. */
function createScanner() {
  let lineIsEmpty = true
  let afterCr = false
  return {
    isBetweenFrames: () => lineIsEmpty && !afterCr,
    hasCr: (chunk: Buffer): boolean => afterCr || chunk.indexOf(CR) !== -1,
    /** Index after the empty line that ends the frame; -1 when the chunk does not hold it. */
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

/** @param chunk - begins with a frame; its lines end in LF */
function needNoLook(chunk: Buffer): boolean {
  for (let start = 0; start < chunk.length; ) {
    const end = chunk.indexOf('\n\n', start, 'latin1')
    if (end === -1 || !needsNoLook(chunk, start)) return false
    start = end + 2
  }
  return true
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
