// Streams a server's answer to the client frame by frame. Events that can hold a thread or a link are
// checked before they go on.

import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { fileFieldsOfEvent } from '../chatkit/protocol/file-fields.ts'
import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Log } from '../lib/log.ts'
import type { HeldMemory } from '../lib/shares/memory-budget.ts'
import { type FrameFilter, type StreamLimits, streamToClient } from './client-stream.ts'
import { createEventOwner, type EventOwnership, type SeenEvent } from './event-owner.ts'
import type { LinksFor } from './files/file-links.ts'
import { createFrameCutter, type Piece } from './frames.ts'
import type { Call } from './open-call.ts'
import type { OpenStreams } from './open-streams.ts'
import type { Shares } from './shares.ts'
import { StreamFault } from './stream-fault.ts'

const NOTHING = Buffer.alloc(0)

/** Checks an event, and returns whether it changed the event: at once where the store need not be asked. */
type Look = (event: SeenEvent) => boolean | Promise<boolean>

interface StreamExchange {
  readonly reply: ServerReply
  /** Called once, when the stream has ended for any reason. */
  readonly onEnd: () => void
}

/** {@link createAnswerEvents} */
export type AnswerEvents = ReturnType<typeof createAnswerEvents>

/** @param parts - `streams`: ends streams of sessions that are cancelled or revoked */
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
  readonly shares: Pick<Shares, 'memoryFor'>
  readonly streams: OpenStreams
  readonly limits: StreamLimits
  readonly maxFrameBytes: number
  readonly log: Log
}) {
  /**
   * Streams until the server has finished, the client leaves, a limit is reached, or the session is cancelled
   * or revoked. A session that expires or is replaced by a refresh does not end it.
   */
  return function answerEvents(
    c: AppContext,
    call: Call,
    { reply: { body }, onEnd }: StreamExchange,
  ): Response {
    const { workflow, session } = call
    const memory = shares.memoryFor(session.user)
    const checkOwner = createEventOwner(call, ownership)
    const replaceFiles = linksFor(call)
    const look = (event: SeenEvent): boolean | Promise<boolean> => {
      const replace = () => replaceFiles(fileFieldsOfEvent(event))
      const checking = checkOwner(event)
      return checking === undefined ? replace() : checking.then(replace)
    }
    const { outgoing: connection } = c.env
    if (connection === undefined) throw new TypeError('a stream needs a connection')
    connection.writeHead(200, {
      ...c.get('headers'),
      'Content-Type': 'text/event-stream',
      // Tells proxies not to hold frames back.
      'X-Accel-Buffering': 'no',
    })
    connection.flushHeaders()
    // Counts the bytes that have been cut, and those that the client has not read yet.
    let cut = 0
    const count = () => hold(memory, cut + connection.writableLength)
    const cutter = createFrameCutter(maxFrameBytes, (bytes) => {
      cut = bytes
      count()
    })
    connection.on('drain', count)
    const end = streamToClient({
      source: body,
      filter: createFrameFilter(cutter, look),
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
    return RESPONSE_ALREADY_SENT.clone()
  }
}

function hold(memory: HeldMemory, bytes: number): void {
  try {
    memory.hold(bytes)
  } catch (error) {
    throw new StreamFault('overloaded', error)
  }
}

/**
 * Checks each frame before it goes on. Frames of one chunk are written together, up to one about which the store
 * must be asked. A frame that is no event (`[DONE]`, `ping`, broken JSON) is left out: a client could not read it
 * either.
 *
 * @throws `StreamFault`: `bad_frame`; `overloaded`; `store_unavailable`; `thread_taken`; `foreign_thread`
 */
function createFrameFilter(cutter: ReturnType<typeof createFrameCutter>, look: Look): FrameFilter {
  function passOn(
    pieces: Iterator<Piece, void, void>,
    passed: Uint8Array[],
    write: (frames: Uint8Array) => void,
  ): Promise<void> | undefined {
    try {
      for (let piece = pieces.next().value; piece; piece = pieces.next().value) {
        const frame = goesOn(piece, look)
        if (frame instanceof Promise) {
          return frame.then((text) => passOn(pieces, [Buffer.from(text)], write))
        }
        passed.push(frame)
      }
    } finally {
      // Good frames go on even if a later frame of the same chunk is refused.
      writeAll(passed, write)
    }
    return undefined
  }
  return (chunk, write) => {
    if (chunk === undefined) return passOn(cutter.rest(), [], write)
    if (!cutter.passes(chunk)) return passOn(cutter.push(chunk), [], write)
    write(chunk)
    return undefined
  }
}

function writeAll(frames: readonly Uint8Array[], write: (frames: Uint8Array) => void): void {
  const [only, ...more] = frames
  const whole = only === undefined || more.length === 0 ? only : Buffer.concat(frames)
  if (whole !== undefined && whole.length > 0) write(whole)
}

/** A comment passes, and so does an event once it is checked; anything else becomes an empty text. */
function goesOn(piece: Piece, look: Look): Uint8Array | Promise<string> {
  if (piece instanceof Uint8Array) return piece
  const { data, text } = piece
  if (data === undefined) return Buffer.from(text)
  const event = eventOf(data)
  if (event === undefined) return NOTHING
  const shown = (isChanged: boolean) => (isChanged ? `data: ${JSON.stringify(event)}\n\n` : text)
  const changed = look(event)
  return changed instanceof Promise ? changed.then(shown) : Buffer.from(shown(changed))
}

function eventOf(data: string): SeenEvent | undefined {
  try {
    const event: unknown = JSON.parse(data)
    return isEvent(event) ? event : undefined
  } catch {
    return undefined
  }
}

function isEvent(value: unknown): value is SeenEvent {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  )
}
