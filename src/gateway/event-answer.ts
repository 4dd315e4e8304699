import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import { checkedFrames, type SeenEvent } from './checked-frames.ts'
import { clientStream } from './client-stream.ts'
import type { GatewayCall } from './gateway-options.ts'
import { claimNew } from './ownership.ts'
import { StreamFault } from './stream-fault.ts'

/**
 * Streams a server's answer through, frame by frame, for as long as the session is active.
 *
 * @param c - the request
 * @param call - whose
 * @param reply - an event stream
 */
export function answerEvents(c: AppContext, call: GatewayCall, { body }: ServerReply): Response {
  const { session, streams, limits, log, name } = call
  const stream = clientStream({
    chunks: checkedFrames(body, (event) => remember(call, event)),
    limits,
    connection: c.env.outgoing,
    abort: () => {
      body.destroy()
    },
    onEnd: (fault) => {
      unwatch()
      if (fault === undefined) return
      const at = { request_id: c.var.requestId, workflow: name, session: session.id }
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

/** A new thread is the caller's, durably, before the client learns its id. */
async function remember(call: GatewayCall, event: SeenEvent): Promise<void> {
  if (event.type !== 'thread.created') return
  const id = idOf(event['thread'])
  if (id === undefined) throw new StreamFault('bad_frame')
  const isNew = await claimNew(call, { kind: 'thread', id }).catch((error: unknown) => {
    throw new StreamFault('store_unavailable', error)
  })
  if (!isNew) throw new StreamFault('thread_taken')
}

function idOf(thread: unknown): string | undefined {
  const id = typeof thread === 'object' && thread !== null && 'id' in thread ? thread.id : undefined
  return typeof id === 'string' ? id : undefined
}
