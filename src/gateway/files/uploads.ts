// Handles uploads: a form that creates an attachment (`direct`), and the bytes that are sent to the link of an
// attachment (the second phase of `two_phase`).

import { dropBody, MAX_ANSWER_BYTES, readJsonAnswer } from '../../chatkit/protocol/server-call.ts'
import { type BodyLimits, readBytes } from '../../http/body.ts'
import type { AppContext } from '../../http/context.ts'
import { releaseWhenTaken } from '../../http/upstream-call-options.ts'
import { type Deadline, startDeadline } from '../../lib/deadline.ts'
import type { HeldMemory } from '../../lib/shares/memory-budget.ts'
import type { Forward, ForwardedRequest } from '../forward.ts'
import { asJson } from '../json-answer.ts'
import type { Call, OpenedCall } from '../open-call.ts'
import { endOf, type OpenStreams } from '../open-streams.ts'
import { type GatewayOwnership, requireOwn } from '../ownership.ts'
import type { Shares } from '../shares.ts'
import { judgeForm } from './forms.ts'
import type { AnswerAttachment } from './new-attachment.ts'
import type { OpenLink } from './open-link.ts'

/** The request to the server: the checked form, or the bytes. */
type Upload = Pick<ForwardedRequest, 'body' | 'headers'> & { readonly deadline: Deadline }

interface UploadExchange {
  readonly call: Call
  /** Calls `onEnd` when the session or the link ends, so that the server's request ends too. */
  readonly watch: OpenLink['watch']
  readonly send: (upload: Upload) => Promise<Response>
}

const forget = () => undefined

/**
 * Reads the body, and refuses a form that names anything that is not the caller's. Of a form only what is written anew is
 * kept: what was read would take as much again until the server answers.
 */
function createReadUpload({
  ownership,
  bodyLimits,
}: {
  readonly ownership: GatewayOwnership
  readonly bodyLimits: BodyLimits
}) {
  let forms: Promise<unknown> = Promise.resolve()

  /** One form after the other, of all users: while one is read and written anew, it takes five times its bytes. */
  function afterOthers<T>(run: () => Promise<T>): Promise<T> {
    const result = forms.then(run)
    // `catch` would keep the form, its bytes too, until the next one.
    forms = result.then(forget, forget)
    return result
  }

  return async function read(
    c: AppContext,
    call: Call,
    memory: HeldMemory,
  ): Promise<Omit<Upload, 'deadline'>> {
    const bytes = await readBytes(c, bodyLimits, memory.hold)
    const type = c.req.header('Content-Type') ?? ''
    const form = await memory.work((begin) =>
      afterOthers(async () => {
        await begin()
        return judgeForm(type, bytes)
      }),
    )
    if (form === undefined) return { body: bytes }
    await requireOwn(ownership, call, form.ids)
    return { body: form.bytes, headers: { 'content-type': form.contentType } }
  }
}

/** @param parts - `answerMs`: most milliseconds until the server's answer is complete */
export function createUploads({
  ownership,
  forward,
  answerAttachment,
  bodyLimits,
  answerMs,
  shares,
  streams,
}: {
  readonly ownership: GatewayOwnership
  readonly forward: Forward
  readonly answerAttachment: AnswerAttachment
  readonly bodyLimits: BodyLimits
  readonly answerMs: number
  readonly shares: Pick<Shares, 'memoryFor'>
  readonly streams: OpenStreams
}) {
  const read = createReadUpload({ ownership, bodyLimits })

  async function withUpload(
    c: AppContext,
    { call, watch, send }: UploadExchange,
  ): Promise<Response> {
    const memory = shares.memoryFor(call.session.user)
    try {
      const body = await read(c, call, memory)
      const ended = new AbortController()
      const signal = AbortSignal.any([c.req.raw.signal, ended.signal])
      const deadline = startDeadline(answerMs, signal)
      const unwatch = watch((error) => ended.abort(error))
      try {
        return await send({ ...body, deadline })
      } catch (error) {
        throw ended.signal.aborted ? ended.signal.reason : error
      } finally {
        unwatch()
        deadline.stop()
      }
    } finally {
      memory.release()
    }
  }

  return {
    /** Handles the form of a `direct` upload. */
    takeForm(c: AppContext, call: OpenedCall): Promise<Response> {
      const { id, user } = call.session
      const watch: OpenLink['watch'] = (onEnd) =>
        streams.watch({ id, user }, (why) => onEnd(endOf(why)))
      const send: UploadExchange['send'] = async (upload) => {
        // The session may have been cancelled while the body was read.
        await streams.requireNotEnded({ id, user })
        await call.countAttachment()
        const url = call.workflow.uploadUrl ?? call.workflow.server
        const reply = await forward(c, call, { method: 'POST', url, ...upload })
        const held = shares.memoryFor(call.session.user)
        releaseWhenTaken(c, held)
        const bounds = { maxBytes: MAX_ANSWER_BYTES, hold: held.hold }
        const { parse } = await readJsonAnswer(reply, upload.deadline, bounds)
        return asJson(c, await answerAttachment(call, await held.work(parse)))
      }
      return withUpload(c, { call, watch, send })
    },

    /** Handles a `PUT` of bytes, or a `POST` of bytes or a form, to a link. */
    takeLinked(c: AppContext, link: OpenLink): Promise<Response> {
      const { call, url, check, watch, release } = link
      const send: UploadExchange['send'] = async (upload) => {
        // The link may have ended while the body was read.
        await check()
        const method = c.req.method === 'PUT' ? 'PUT' : 'POST'
        const headers = { ...link.headers, ...upload.headers }
        const reply = await forward(c, call, { method, url, ...upload, headers })
        await dropBody(reply, upload.deadline)
        return c.body(null, 204)
      }
      return withUpload(c, { call, watch, send }).finally(release)
    },
  }
}
