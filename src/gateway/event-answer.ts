// Streams a server's answer to the client frame by frame. Events that may contain a thread or a link are
// checked before the client gets them.

import { isUtf8 } from 'node:buffer'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { fileFieldsOfEvent } from '../chatkit/protocol/file-fields.ts'
import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import { addressesOfWidget, withAddresses } from '../chatkit/protocol/widget-text.ts'
import type { AppContext } from '../http/context.ts'
import type { Log } from '../lib/log.ts'
import { type FrameFilter, type StreamLimits, streamToClient } from './client-stream.ts'
import { createEventOwner, type EventOwnership, type SeenEvent } from './event-owner.ts'
import type { LinksFor } from './files/file-links.ts'
import { createFrameCutter, linesOf, needNoCheck, type Piece } from './frames.ts'
import type { Call } from './open-call.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Shares } from './shares.ts'
import { StreamFault } from './stream-fault.ts'

/** The parser is as fast for an event longer than this, and needs only one text of it in memory. */
const LONG_BYTES = 64 * 1024

/**
 * Least bytes that a stream counts while its client does not read: undici and its socket have read ahead of the client,
 * measured 290 kB in buffers of 64 KiB. It does not add to an event: else no event could take all of its user's memory.
 */
const READ_AHEAD_BYTES = 256 * 1024

/** The `data:` lines of a frame, each with its LF. A line may contain U+2028, which `.` does not match. */
const DATA_LINES = /(?<=^|\n)data(?::[^\n]*)?\n/g

/** What one stream does with each event. */
interface EventChecks {
  readonly checkOwner: ReturnType<typeof createEventOwner>
  readonly replaceFiles: ReturnType<LinksFor>
}

export type AnswerEvents = ReturnType<typeof createAnswerEvents>

/** @param parts - `streams`: ends the streams of cancelled and revoked sessions */
export function createAnswerEvents({
  ownership,
  linksFor,
  shares,
  streams,
  limits,
  maxFrameBytes,
  log,
}: {
  readonly ownership: EventOwnership
  readonly linksFor: LinksFor
  readonly shares: Pick<Shares, 'memoryFor' | 'checkPart'>
  readonly streams: OpenStreams
  readonly limits: StreamLimits
  readonly maxFrameBytes: number
  readonly log: Log
}) {
  /**
   * Streams until the server has finished, the client leaves, a limit is reached, or the session is cancelled
   * or revoked. The expiry or the refresh of the session does not end the stream.
   *
   * @param exchange - `onEnd`: called once, when the stream has ended, for any reason
   */
  return function answerEvents(
    c: AppContext,
    call: Call,
    { reply: { body }, onEnd }: { readonly reply: ServerReply; readonly onEnd: () => void },
  ): Response {
    const { workflow, session } = call
    const memory = shares.memoryFor(session.user)
    const checks = { checkOwner: createEventOwner(call, ownership), replaceFiles: linksFor(call) }
    const { outgoing: connection } = c.env
    connection.writeHead(200, {
      ...c.get('headers'),
      'Content-Type': 'text/event-stream',
      // Tells proxies not to buffer frames.
      'X-Accel-Buffering': 'no',
    })
    connection.flushHeaders()
    // The bytes that the cutter holds. A stream's memory is these and what the client has not read yet.
    let cut = 0
    const count = () => {
      try {
        const least = connection.writableNeedDrain ? READ_AHEAD_BYTES : 0
        memory.hold(Math.max(cut + connection.writableLength, least))
      } catch (error) {
        throw new StreamFault('overloaded', error)
      }
    }
    const cutter = createFrameCutter(maxFrameBytes, (bytes) => {
      cut = bytes
      count()
    })
    connection.on('drain', count)
    const end = streamToClient({
      source: body,
      filter: createFrameFilter(cutter, checks, {
        user: session.user,
        checkPart: shares.checkPart,
      }),
      limits,
      connection,
      onFull: count,
      onEnd: (fault) => {
        unwatch()
        memory.release()
        onEnd()
        if (fault === undefined) return
        const at = { request_id: c.var.requestId, workflow: workflow.name, session: session.id }
        log.warn({ ...at, reason: fault.why, err: fault.cause }, 'a stream was ended')
      },
    })
    const unwatch = streams.watch({ id: session.id, user: session.user }, end)
    const answer = RESPONSE_ALREADY_SENT.clone()
    c.set('wholeAnswer', answer)
    return answer
  }
}

/**
 * Checks each frame before the client gets it. Frames of one chunk are written together, up to one for which
 * the store must be asked. A frame that is no event (`[DONE]`, `ping`, broken JSON) is omitted, because no
 * client could read it; broken JSON that begins and ends like a widget may go on, because it is not parsed.
 *
 * @throws `StreamFault`: `bad_frame`; `overloaded`; `store_unavailable`; `thread_taken`; `foreign_thread`
 */
function createFrameFilter(
  cutter: ReturnType<typeof createFrameCutter>,
  checks: EventChecks,
  { user, checkPart }: { readonly user: string; readonly checkPart: Shares['checkPart'] },
): FrameFilter {
  function passOn(
    pieces: Iterator<Piece, void, void>,
    passed: Uint8Array[],
    write: (frames: Uint8Array) => void,
  ): Promise<void> | undefined {
    try {
      for (let piece = pieces.next().value; piece; piece = pieces.next().value) {
        const { bytes, needsCheck } = piece
        const known = needsCheck ? widgetFrame(bytes, checks) : bytes
        if (known !== undefined) {
          passed.push(known)
          continue
        }
        const frame = readFrame(bytes)
        const checking = frame.event && checks.checkOwner(frame.event)
        if (checking !== undefined) {
          return checking.then(() => passOn(pieces, [shown(frame, checks)], write))
        }
        passed.push(shown(frame, checks))
      }
    } finally {
      // Frames that passed the check are written even if a later frame of the same chunk is refused.
      const frames = passed.length > 1 ? Buffer.concat(passed) : passed[0]
      if (frames !== undefined && frames.length > 0) write(frames)
    }
    return undefined
  }
  return (chunk, write) => {
    const startsFrame = cutter.isBetweenFrames()
    if (chunk === undefined) {
      return startsFrame ? undefined : passOn([cutter.rest()].values(), [], write)
    }
    const text = startsFrame ? chunk.toString('latin1') : ''
    if (startsFrame && needNoCheck(text)) {
      write(chunk)
      return undefined
    }
    return checkPart(user, () => {
      // Without the cutter where the chunk is one frame of a widget, as most chunks are while a widget changes.
      const frame = startsFrame ? widgetFrame(chunk, checks, text) : undefined
      if (frame === undefined) return passOn(cutter.push(chunk), [], write)
      write(frame)
      return undefined
    })
  }
}

/** A frame as it came, with the event in it. */
interface EventFrame {
  /** Empty for a frame that is neither an event nor a comment. */
  readonly text: string
  readonly event: SeenEvent | undefined
}

function readFrame(bytes: Buffer): EventFrame {
  const { text, data } = linesOf(bytes)
  if (data === undefined) return { text, event: undefined }
  try {
    // A server may send any JSON; the check below makes the annotation true.
    const event: SeenEvent | null = JSON.parse(data)
    if (typeof event?.type === 'string') return { text, event }
  } catch {
    // A frame without JSON is omitted like one without an event.
  }
  return { text: '', event: undefined }
}

/** The frame of a checked event as the client gets it. */
function shown({ text, event }: EventFrame, { replaceFiles }: EventChecks): Buffer {
  if (event === undefined || !replaceFiles(fileFieldsOfEvent(event))) return Buffer.from(text)
  const otherLines = text.replace(DATA_LINES, '').slice(0, -1)
  return Buffer.from(`${otherLines}data: ${JSON.stringify(event)}\n\n`)
}

/**
 * @param text - the frame with a byte in each character, where the caller has it
 * @returns a widget's frame as it is passed on; undefined for a frame whose event must be parsed
 */
function widgetFrame(
  frame: Buffer,
  { replaceFiles }: Pick<EventChecks, 'replaceFiles'>,
  text?: string,
): Buffer | undefined {
  if (frame.length > LONG_BYTES) return undefined
  const addresses = addressesOfWidget(text ?? frame.toString('latin1'))
  if (addresses === undefined || !isUtf8(frame)) return undefined
  return replaceFiles(addresses) ? withAddresses(frame, addresses) : frame
}
