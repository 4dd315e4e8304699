// Cuts an event stream into frames. Frames whose type needs no check pass as the bytes in which they came.

import { StreamFault } from './stream-fault.ts'

/** A whole frame of an event stream: the lines between two empty lines. */
export interface Frame {
  /** The frame as it goes on: its lines and an empty line, each ended by LF; empty without lines. */
  readonly text: string
  /** The values of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
  /** Whether it is one line of data that came with its empty line, as nearly all frames do. */
  readonly isOneLine: boolean
}

/** A frame to check, or bytes that go on unchanged. */
export type Piece = Frame | Uint8Array

const LF = 10
const CR = 13

/** JSON's; in one line, since the `data:` of another line belongs to the event too. */
const STRING = String.raw`"[^"\\\r\n]*(?:\\.[^"\\\r\n]*)*"`
const FIELDS = String.raw`(?:, ?"(?:icon|text|content_index|component_id|delta|done)": ?(?:${STRING}|[\w.-]+))*`
const PROGRESS = `progress_update"${FIELDS}`
const DELTA = String.raw`(?:assistant_message\.content_part\.text_delta|widget\.streaming_text\.value_delta)"${FIELDS}`
const UPDATE = String.raw`thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"${DELTA}\}`
/**
 * Frames that can hold neither a thread nor a link: pieces of a model's text, which are nearly all frames of a
 * stream. They match as a whole: a client reads the last of two fields of one name, so one that is not named here
 * (or a second `type`) makes a frame one to check.
 */
const NEED_NO_LOOK = new RegExp(`^(?:data: ?\\{"type": ?"(?:${PROGRESS}|${UPDATE})\\}\n\n)+$`)

/** A frame as servers write it. */
const ONE_LINE = /^data: (.*)\n\n$/

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

  return {
    /** Whether a chunk is whole frames that need no check, as nearly all chunks are. */
    passes: (chunk: Buffer): boolean =>
      size === 0 && scanner.isBetweenFrames() && needNoLook(chunk, 0, chunk.length),
    /**
     * @param chunk - one that does not pass as a whole
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
        // A chunk that is one frame is not looked at again: it does not pass.
        const isOneOfMany = size === 0 && end !== -1 && end - start < chunk.length
        if (isOneOfMany && !hasCr && needNoLook(chunk, start, end)) {
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
          yield frameOf(taken())
        } else {
          if (end - start > maxBytes) throw tooLong()
          yield frameOf(chunk.subarray(start, end))
        }
        passing = start = end
      }
      if (passing < start) yield chunk.subarray(passing, start)
    },
    /** @returns the last frame of a stream that ends without an empty line; without text when there is none */
    rest: (): Frame => frameOf(taken()),
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

/** Whether all bytes from `start` to `end` are frames that need no check. */
function needNoLook(chunk: Buffer, start: number, end: number): boolean {
  return NEED_NO_LOOK.test(chunk.toString('latin1', start, end))
}

function frameOf(bytes: Buffer): Frame {
  const decoded = bytes.toString('utf8')
  // With a byte order mark before `data:`, we would miss data that a client reads.
  const text = decoded.startsWith('\ufeff') ? decoded.slice(1) : decoded
  const line = ONE_LINE.exec(text)?.[1]
  return line === undefined ? frameOfLines(text) : { text, data: line, isOneLine: true }
}

function frameOfLines(of: string): Frame {
  let text = ''
  let data: string | undefined
  for (const line of of.split(/\r\n|\r|\n/)) {
    if (line === '') continue
    text += `${line}\n`
    if (!/^data(?::|$)/.test(line)) continue
    const value = line.slice(5).replace(/^ /, '')
    data = data === undefined ? value : `${data}\n${value}`
  }
  return { text: text === '' ? '' : `${text}\n`, data, isOneLine: false }
}
