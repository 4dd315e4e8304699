// Cuts an event stream into frames. Frames whose type needs no check are passed on as their original bytes.

import { StreamFault } from './stream-fault.ts'

/** Bytes of an event stream: one whole frame to check, up to its empty line, or frames that need no check. */
export interface Piece {
  readonly bytes: Buffer
  readonly needsCheck: boolean
}

/** The lines of a frame. */
interface FrameLines {
  /** The frame as it is passed on: its lines and an empty line, each ended by LF; empty if there are no lines. */
  readonly text: string
  /** The values of its `data:` lines; undefined when there are none, as in a comment. */
  readonly data: string | undefined
}

/**
 * Parts of a frame that are kept before they are joined. A frame may come byte by byte, and a buffer for each would take
 * a hundred times its length.
 */
const MOST_PARTS = 1000

const LF = 10
const CR = 13

/** A string in JSON, without line ends, because further `data:` lines would belong to the event too. */
const STRING = String.raw`"[^"\\\r\n]*(?:\\.[^"\\\r\n]*)*"`
const FIELDS = String.raw`(?:, ?"(?:icon|text|content_index|component_id|delta|done)": ?(?:${STRING}|[\w.-]+))*`
const PROGRESS = `progress_update"${FIELDS}`
const DELTA = String.raw`(?:assistant_message\.content_part\.text_delta|widget\.streaming_text\.value_delta)"${FIELDS}`
const UPDATE = String.raw`thread\.item\.updated", ?"item_id": ?"[\w.:-]*", ?"update": ?\{"type": ?"${DELTA}\}`
/**
 * Frames that cannot contain a thread or a link: pieces of a model's text, which are nearly all frames of a
 * stream. The pattern matches whole frames: a client reads the last of two fields with the same name, so a
 * frame with a second `type`, or with a field that is not named here, is checked.
 */
const NEED_NO_CHECK = new RegExp(`^(?:data: ?\\{"type": ?"(?:${PROGRESS}|${UPDATE})\\}\n\n)+$`)

/** A frame in the form that servers usually write. */
const ONE_LINE = /^data: (.*)\n\n$/

/**
 * Cuts bytes, because a chunk may end within a character or a line. Lines may end in LF, CR or both, as the
 * standard says. If a client read two frames where we read one, it could get one that was not checked, so a
 * checked frame is passed on with LF only.
 *
 * Source: HTML Standard, section 9.2.6 (interpreting an event stream).
 *
 * @param maxBytes - the longest frame that is checked
 * @param hold - called with the total number of bytes before they are held; may throw
 */
export function createFrameCutter(maxBytes: number, hold: (bytes: number) => void) {
  let parts: Uint8Array[] = []
  /** Number of parts at the beginning that were joined already. */
  let joined = 0
  let size = 0
  const lines: Lines = { isEmpty: true, afterCr: false, hasCr: false }

  function keep(part: Uint8Array): void {
    size += part.length
    if (size > maxBytes) throw tooLong()
    hold(size)
    parts.push(part)
    if (parts.length - joined < MOST_PARTS) return
    parts.push(Buffer.concat(parts.splice(joined)))
    joined++
  }

  function taken(): Buffer {
    const bytes = Buffer.concat(parts, size)
    parts = []
    joined = 0
    size = 0
    hold(0)
    return bytes
  }

  const tooLong = () =>
    new StreamFault('bad_frame', new Error(`a frame of more than ${maxBytes} bytes`))

  return {
    /** Whether no frame is incomplete. */
    isBetweenFrames: (): boolean => size === 0 && lines.isEmpty && !lines.afterCr,
    /**
     * @param chunk - any but whole frames that need no check
     * @returns the frames that this chunk completes; adjacent frames that need no check are one piece
     * @throws `StreamFault` `bad_frame`: too long
     */
    *push(chunk: Buffer): Generator<Piece, void, void> {
      lines.hasCr = lines.afterCr || chunk.includes(CR)
      // The frames from here to `start` need no check.
      let passing = 0
      let start = 0
      while (start < chunk.length) {
        const end = endOf(chunk, start, lines)
        // If the chunk is a single frame, it needs a check.
        const isOneOfMany = size === 0 && end !== -1 && end - start < chunk.length
        if (isOneOfMany && !lines.hasCr && needNoCheck(chunk.toString('latin1', start, end))) {
          start = end
          continue
        }
        if (passing < start) yield { bytes: chunk.subarray(passing, start), needsCheck: false }
        if (end === -1) {
          // A copy, because a view of a small rest would keep the memory of the whole chunk.
          keep(new Uint8Array(chunk.subarray(start)))
          return
        }
        if (size > 0) {
          keep(chunk.subarray(start, end))
          yield { bytes: taken(), needsCheck: true }
        } else {
          if (end - start > maxBytes) throw tooLong()
          yield { bytes: chunk.subarray(start, end), needsCheck: true }
        }
        passing = start = end
      }
      if (passing < start) yield { bytes: chunk.subarray(passing, start), needsCheck: false }
    },
    /** @returns the last frame of a stream that ended without an empty line after it */
    rest: (): Piece => ({ bytes: taken(), needsCheck: true }),
  }
}

/** How far the lines of a stream have been read: what is left open where a chunk ends. */
interface Lines {
  /** Nothing of the present line has been read. */
  isEmpty: boolean
  /** The last byte was a CR, so an LF next belongs to the same line end. */
  afterCr: boolean
  /** A line of the present chunk may end in CR. */
  hasCr: boolean
}

/** The index after the empty line that ends the frame; -1 if the chunk does not contain it. */
function endOf(chunk: Buffer, from: number, lines: Lines): number {
  if (!lines.hasCr) {
    if (lines.isEmpty && chunk[from] === LF) return from + 1
    const at = chunk.indexOf('\n\n', from, 'latin1')
    lines.isEmpty = at !== -1 || chunk[chunk.length - 1] === LF
    return at === -1 ? -1 : at + 2
  }
  for (let at = from; at < chunk.length; at++) {
    const byte = chunk[at]
    const endsCrLf = byte === LF && lines.afterCr
    lines.afterCr = byte === CR
    if (endsCrLf) continue
    if (byte !== LF && byte !== CR) lines.isEmpty = false
    else if (lines.isEmpty) return at + 1
    else lines.isEmpty = true
  }
  return -1
}

/**
 * Whether a text is only frames that need no check, as nearly all chunks are.
 *
 * @param text - with a byte in each character
 */
export function needNoCheck(text: string): boolean {
  return NEED_NO_CHECK.test(text)
}

export function linesOf(bytes: Buffer): FrameLines {
  const decoded = bytes.toString('utf8')
  // A client ignores one byte order mark where a stream begins. If one were left, a client could read a `data:`
  // line that was not read here. Empty lines before it are not passed on, so it could come first.
  const text = decoded.replace(/^[\ufeff\r\n]+/, '')
  const line = ONE_LINE.exec(text)?.[1]
  return line === undefined ? splitLines(text) : { text, data: line }
}

function splitLines(of: string): FrameLines {
  let text = ''
  let data: string | undefined
  for (const line of of.split(/\r\n|\r|\n/)) {
    if (line === '') continue
    text += `${line}\n`
    if (!/^data(?::|$)/.test(line)) continue
    const value = line.slice(5).replace(/^ /, '')
    data = data === undefined ? value : `${data}\n${value}`
  }
  return { text: text === '' ? '' : `${text}\n`, data }
}
