// Handles one request to the gateway: opens a call, reads the body, refuses the request unless everything that
// it names is the caller's, forwards it on behalf of the caller, and passes the answer back.

import { isLinked } from '../chatkit/protocol/file-address.ts'
import { fileFieldsOfEvent } from '../chatkit/protocol/file-fields.ts'
import { idsOf, type RequestIds } from '../chatkit/protocol/ids.ts'
import {
  forgetSent,
  type ParsedRequest,
  parseRequest,
  RUNS_MODEL,
  STREAMING,
  whyNoRequest,
} from '../chatkit/protocol/request.ts'
import { wrongType } from '../chatkit/protocol/server-call.ts'
import { type BodyLimits, bodyLength, isOfType, readBytes } from '../http/body.ts'
import type { AppContext } from '../http/context.ts'
import { clientGone } from '../http/upstream-call-options.ts'
import { type Deadline, startDeadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { parseStrictJson } from '../lib/json.ts'
import type { HeldMemory } from '../lib/shares/memory-budget.ts'
import { show } from '../lib/show.ts'
import type { AnswerEvents } from './event-answer.ts'
import type { createTakeDownload } from './files/downloads.ts'
import { linkUseOf } from './files/file-links.ts'
import { MULTIPART_TYPE } from './files/forms.ts'
import type { createOpenLink } from './files/open-link.ts'
import type { createUploads } from './files/uploads.ts'
import type { Forward } from './forward.ts'
import type { AnswerJson } from './json-answer.ts'
import type { Call, createOpenCall, OpenedCall } from './open-call.ts'
import { endOf, type OpenStreams } from './open-streams.ts'
import { type GatewayOwnership, requireOwn, type Thing } from './ownership.ts'
import type { Shares } from './shares.ts'

/** Deepest nesting of JSON in a request. Widgets and their actions are nested. */
const MAX_DEPTH = 64
/** From so many ids in the application's own data on, the requests of one user wait for each other. */
const MANY_IDS = 256
/** Types of requests with a user's message, which servers show as it came. */
const MESSAGES: readonly string[] = ['threads.create', 'threads.add_user_message']
/** Most addresses of files in a message, because each has to be parsed. The protocol has none there. */
const MAX_FILES = 100

/** @param parts - `takeMessage`: answers a JSON request of the protocol */
export function createHandleRequest({
  openCall,
  openLink,
  uploads,
  takeDownload,
  takeMessage,
}: {
  readonly openCall: ReturnType<typeof createOpenCall>
  readonly openLink: ReturnType<typeof createOpenLink>
  readonly takeDownload: ReturnType<typeof createTakeDownload>
  readonly uploads: ReturnType<typeof createUploads>
  readonly takeMessage: ReturnType<typeof createTakeMessage>
}) {
  return async function handleRequest(c: AppContext): Promise<Response> {
    const use = linkUseOf(c)
    if (use !== undefined) {
      const link = await openLink(c, use)
      return use === 'upload' ? uploads.takeLinked(c, link) : takeDownload(c, link)
    }
    const call = await openCall(c)
    if (call.isMessage) return takeMessage(c, call)
    // An encoded body could not be checked, because the bytes are forwarded unchanged and read without decoding.
    if (isOfType(c, MULTIPART_TYPE)) return uploads.takeForm(c, call)
    // A body of length 0 counts as none, whatever its type: what is missing is the request.
    if (bodyLength(c) === 0) return takeMessage(c, call)
    throw new ServiceError('unsupported_media_type', {
      reason: 'neither application/json in UTF-8 nor multipart/form-data',
      detail: 'Send the body as application/json in UTF-8, or an upload as multipart/form-data.',
    })
  }
}

/**
 * @param parts - `headMs`: most milliseconds until a server begins a stream, or has sent a whole JSON answer
 */
export function createTakeMessage({
  allowUnknownTypes,
  bodyLimits,
  headMs,
  ownership,
  streams,
  shares,
  forward,
  answers,
}: {
  readonly allowUnknownTypes: boolean
  readonly bodyLimits: BodyLimits
  readonly headMs: { readonly events: number; readonly json: number }
  readonly ownership: GatewayOwnership
  readonly streams: OpenStreams
  readonly shares: Shares
  readonly forward: Forward
  readonly answers: { readonly json: AnswerJson; readonly events: AnswerEvents }
}) {
  /** Forwards the bytes unchanged, so that the server reads the same request that was checked. */
  async function ask(c: AppContext, call: Call, message: Message): Promise<Response> {
    const { bytes, parsed, deadline, leave, adopts } = message
    const sent = { method: 'POST', url: call.workflow.server, body: bytes, deadline } as const
    const reply = await forward(c, call, sent).catch((failure) =>
      answers.json.answerRefused(c, call, { parsed, deadline, adopts, failure }),
    )
    if (reply instanceof Response) {
      leave()
      return reply
    }
    const isStream = reply.mediaType === 'text/event-stream'
    if (parsed.known && isStream !== STREAMING.has(parsed.request.type)) throw wrongType(reply)
    if (isStream) return answers.events(c, call, { reply, onEnd: leave })
    const response = await answers.json.answer(c, call, { parsed, reply, deadline, adopts })
    leave()
    return response
  }

  async function answer(
    c: AppContext,
    call: OpenedCall,
    { bytes, parsed, ids, work }: AskedMessage & Pick<HeldMemory, 'work'>,
  ): Promise<Response> {
    const { type } = parsed.request
    await call.count(parsed.known && !RUNS_MODEL.has(type) ? 'read' : 'run')
    const { threads, attachments } = ids.mentioned
    const adopts =
      threads.length + attachments.length > MANY_IDS
        ? await work(() => requireOwn(ownership, call, ids), true)
        : await requireOwn(ownership, call, ids)
    const { id, user } = call.session
    const mayStream = !parsed.known || STREAMING.has(type)
    const leave = mayStream ? shares.openStream(user) : shares.openRequest(user)
    const ended = new AbortController()
    // The session is watched from here on, because a server may take long to begin its stream.
    const unwatch = streams.watch({ id, user }, (why) => ended.abort(endOf(why)))
    const { outgoing: client } = c.env
    const onGone = () => ended.abort(clientGone())
    client.once('close', onGone)
    if (client.closed) onGone()
    const deadline = startDeadline(mayStream ? headMs.events : headMs.json, ended.signal)
    try {
      if (type === 'attachments.create') await call.countAttachment()
      return await ask(c, call, { bytes, parsed, deadline, leave, adopts })
    } catch (error) {
      leave()
      throw ended.signal.aborted ? ended.signal.reason : error
    } finally {
      deadline.stop()
      client.off('close', onGone)
      unwatch()
    }
  }

  return async function takeMessage(c: AppContext, call: OpenedCall): Promise<Response> {
    const memory = shares.memoryFor(call.session.user)
    try {
      let asked: AskedMessage
      try {
        const bytes = await readBytes(c, bodyLimits, memory.hold)
        asked = await memory.work(() => parse(bytes, call, allowUnknownTypes))
      } catch (error) {
        // A message that cannot be read does not run the model.
        await call.count('read')
        throw error
      }
      return await answer(c, call, { ...asked, work: memory.work })
    } finally {
      memory.release()
    }
  }
}

/** A message and all ids in it. */
interface AskedMessage {
  readonly bytes: Uint8Array
  readonly parsed: ParsedRequest
  /** `shows`: the thread that the request only reads. */
  readonly ids: RequestIds & { readonly shows: string | undefined }
}

interface Message {
  readonly bytes: Uint8Array
  readonly parsed: ParsedRequest
  readonly deadline: Deadline
  /** Frees the user's slot for an open stream, or for a request. */
  readonly leave: () => void
  readonly adopts: Thing | undefined
}

function parse(bytes: Uint8Array, { workflow }: Call, allowUnknownTypes: boolean): AskedMessage {
  let parsed: ParsedRequest
  try {
    parsed = parseRequest(parseStrictJson(bytes, MAX_DEPTH))
  } catch (error) {
    throw new ServiceError('invalid_request', {
      reason: `not a request of the ChatKit protocol: ${whyNoRequest(error)}`,
      cause: error,
      detail: 'The body is not a request of the ChatKit protocol.',
    })
  }
  // A server may show the message as it was sent, and links would then lead to any path that the user chose.
  const shown = { type: 'thread.item.done', item: parsed.request.params?.['input'] }
  const files = fileFieldsOfEvent(shown)
  if (files.length > MAX_FILES || files.some((file) => isLinked(file, workflow))) {
    throw new ServiceError('invalid_request', {
      reason: 'a message with the address of a file at the server, or with too many addresses',
      detail: 'A message must not name files at the ChatKit server by their address.',
    })
  }
  if (!parsed.known && !allowUnknownTypes) {
    throw new ServiceError('invalid_request', {
      reason: `a request of the unknown type ${show(parsed.request.type)}`,
      detail: 'The type of this request is not one of the ChatKit protocol.',
    })
  }
  const ids = idsOf(parsed, bytes)
  // Servers in Go read names without regard to case, so such a field would name a file that was not seen above.
  if (MESSAGES.includes(parsed.request.type) && ids.otherSpelling !== undefined) {
    throw new ServiceError('invalid_request', {
      reason: `a message with the field ${show(ids.otherSpelling)}, which differs from one of the protocol only in its spelling`,
      detail: 'A field of this message differs from one of the protocol only in its spelling.',
    })
  }
  const { known, request } = parsed
  const shows = known && request.type === 'threads.get_by_id' ? request.params.thread_id : undefined
  // A list is asked for again: further pages, and the same one as a made-up user, whose empty answer lets threads be adopted.
  if (request.type !== 'threads.list') forgetSent(request)
  return { bytes, parsed, ids: { ...ids, shows } }
}
