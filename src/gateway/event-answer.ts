// Streams a server's answer to the client frame by frame, and looks at each event before it goes on.

import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import type { Log } from '../lib/log.ts'
import { clientStream, type StreamLimits } from './client-stream.ts'
import { createFrameCutter } from './frames.ts'
import type { Call } from './open-call.ts'
import type { OpenStreams } from './open-streams.ts'
import type { GatewayOwnership } from './ownership.ts'
import { StreamFault } from './stream-fault.ts'

/** Longest frame: a widget or an item fits many times over. */
const MAX_FRAME_BYTES = 1024 * 1024

/** The fields that every event has, or that are looked at. */
interface SeenEvent {
  readonly type: string
  readonly thread?: unknown
}

type Claiming = Pick<GatewayOwnership, 'claimNew'>

/** {@link createAnswerEvents} */
export type AnswerEvents = ReturnType<typeof createAnswerEvents>

/** @param parts - what ends a stream, and who owns the threads that it makes */
export function createAnswerEvents({
  ownership,
  streams,
  limits,
  log,
}: {
  readonly ownership: Claiming
  readonly streams: OpenStreams
  readonly limits: StreamLimits
  readonly log: Log
}) {
  /** The stream goes on for as long as the session is active. */
  return function answerEvents(c: AppContext, call: Call, { body }: ServerReply): Response {
    const { workflow, session } = call
    const stream = clientStream({
      chunks: checkedFrames(body, call, ownership),
      limits,
      connection: c.env.outgoing,
      server: body,
      onEnd: (fault) => {
        unwatch()
        if (fault === undefined) return
        const at = { request_id: c.var.requestId, workflow: workflow.name, session: session.id }
        log.warn({ ...at, reason: fault.why, err: fault.cause }, 'a stream was ended')
      },
    })
    const unwatch = streams.watch({ id: session.id, user: session.user }, stream.end)
    return c.body(stream.body, 200, {
      'Content-Type': 'text/event-stream',
      // Named, so that the adapter sends the head at once; and no proxy on the way may collect frames.
      'Transfer-Encoding': 'chunked',
      'X-Accel-Buffering': 'no',
    })
  }
}

/**
 * Looks at every frame before it goes on. Frames that came in one chunk go on in one.
 *
 * @throws `StreamFault`: `bad_frame`; `broke_off` inside a frame or an answer; `store_unavailable`;
 * `thread_taken`
 */
async function* checkedFrames(
  source: AsyncIterable<Uint8Array>,
  call: Call,
  ownership: Claiming,
): AsyncGenerator<Uint8Array, void, void> {
  const cutter = createFrameCutter(MAX_FRAME_BYTES)
  for await (const chunk of source) {
    let passed = ''
    let fault: unknown
    try {
      for (const { text, data } of cutter.push(chunk)) {
        const event = data === undefined ? undefined : eventOf(data)
        if (event?.type === 'thread.created') await keepThread(event, call, ownership)
        passed += text
      }
    } catch (error) {
      fault = error
    }
    // Frames that are good go on, although a later one in the same chunk is not.
    if (passed !== '') yield Buffer.from(passed)
    if (fault !== undefined) throw fault
  }
  if (cutter.pending()) throw new StreamFault('broke_off')
}

/** A new thread is the caller's, durably, before the client learns its id. */
async function keepThread({ thread }: SeenEvent, call: Call, ownership: Claiming): Promise<void> {
  const id = typeof thread === 'object' && thread !== null && 'id' in thread && thread.id
  if (typeof id !== 'string') throw new StreamFault('bad_frame')
  const isNew = await ownership.claimNew(call, { kind: 'thread', id }).catch((error: unknown) => {
    throw new StreamFault('store_unavailable', error)
  })
  if (!isNew) throw new StreamFault('thread_taken')
}

function eventOf(data: string): SeenEvent {
  try {
    const event: unknown = JSON.parse(data)
    if (isEvent(event)) return event
  } catch {
    // The error is not passed on: its message quotes the chat.
  }
  throw new StreamFault('bad_frame')
}

function isEvent(value: unknown): value is SeenEvent {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  )
}
