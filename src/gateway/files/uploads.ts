// Handles uploads: a form that creates an attachment (`direct`), and the bytes that are sent to the link of an
// attachment (the second phase of `two_phase`).

import { MAX_ANSWER_BYTES, readJsonAnswer } from '../../chatkit/protocol/server-call.ts'
import { type BodyLimits, readBytes } from '../../http/body.ts'
import type { AppContext } from '../../http/context.ts'
import { releaseWhenTaken } from '../../http/upstream-call-options.ts'
import { type Deadline, startDeadline } from '../../lib/deadline.ts'
import type { Forward, ForwardedRequest } from '../forward.ts'
import { asJson } from '../json-answer.ts'
import type { Call, OpenedCall } from '../open-call.ts'
import { type GatewayOwnership, requireOwn } from '../ownership.ts'
import type { Shares } from '../shares.ts'
import { judgeForm } from './forms.ts'
import type { AnswerAttachment } from './new-attachment.ts'
import type { OpenLink } from './open-link.ts'

/** The request to the server: the checked form, or the bytes. */
type Upload = Pick<ForwardedRequest, 'body' | 'headers'> & { readonly deadline: Deadline }

/** @param parts - `answerMs`: most milliseconds until the server's answer is complete */
export function createUploads({
  ownership,
  forward,
  answerAttachment,
  bodyLimits,
  answerMs,
  shares,
}: {
  readonly ownership: GatewayOwnership
  readonly forward: Forward
  readonly answerAttachment: AnswerAttachment
  readonly bodyLimits: BodyLimits
  readonly answerMs: number
  readonly shares: Pick<Shares, 'memoryFor'>
}) {
  /** Reads the body, and refuses a form that names anything that is not the caller's. */
  async function withUpload(
    c: AppContext,
    call: Call,
    send: (upload: Upload) => Promise<Response>,
  ): Promise<Response> {
    const memory = shares.memoryFor(call.session.user)
    try {
      const bytes = await readBytes(c, bodyLimits, memory.hold)
      const type = c.req.header('Content-Type') ?? ''
      const form = await memory.work(() => judgeForm(type, bytes))
      if (form !== undefined) await requireOwn(ownership, call, form.ids)
      const headers = form && { 'content-type': form.contentType }
      const deadline = startDeadline(answerMs, c.req.raw.signal)
      const upload = { body: form?.bytes ?? bytes, ...(headers && { headers }), deadline }
      return await send(upload).finally(() => deadline.stop())
    } finally {
      memory.release()
    }
  }

  return {
    /** Handles the form of a `direct` upload. */
    takeForm(c: AppContext, call: OpenedCall): Promise<Response> {
      return withUpload(c, call, async (upload) => {
        // The session may have ended while the body was read.
        await call.count('nothing')
        const url = call.workflow.uploadUrl ?? call.workflow.server
        const reply = await forward(c, call, { method: 'POST', url, ...upload })
        const held = shares.memoryFor(call.session.user)
        releaseWhenTaken(c, held)
        const bounds = { maxBytes: MAX_ANSWER_BYTES, hold: held.hold }
        const { parse } = await readJsonAnswer(reply, upload.deadline, bounds)
        return asJson(c, await answerAttachment(call, await held.work(parse)))
      })
    },

    /** Handles a `PUT` of bytes, or a `POST` of bytes or a form, to a link. */
    takeLinked(c: AppContext, link: OpenLink): Promise<Response> {
      const { call, url, check, release } = link
      return withUpload(c, call, async (upload) => {
        // The link may have ended while the body was read.
        await check()
        const method = c.req.method === 'PUT' ? 'PUT' : 'POST'
        const headers = { ...link.headers, ...upload.headers }
        const reply = await forward(c, call, { method, url, ...upload, headers })
        // No client reads the body of this answer.
        reply.body.destroy()
        return c.body(null, 204)
      }).finally(release)
    },
  }
}
