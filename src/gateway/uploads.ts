// Takes uploads: a form that makes an attachment (`direct`), and the bytes of an attachment to its link
// (the second phase of `two_phase`).

import { idsOf, type RequestIds } from '../chatkit/protocol/ids.ts'
import { readJsonAnswer } from '../chatkit/protocol/server-call.ts'
import { type BodyLimits, readBytes } from '../http/body.ts'
import type { AppContext } from '../http/context.ts'
import { type Deadline, startDeadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import type { Forward } from './forward.ts'
import type { Call, Claims } from './open-call.ts'
import { type GatewayOwnership, requireOwn } from './ownership.ts'
import type { Shares } from './shares.ts'
import { type AnswerAttachment, targetOf } from './upload-link.ts'

/** Media type of a form with files. */
export const FORM_TYPE = /^multipart\/form-data *;/i

/** @param parts - `answerMs`: how long the server's whole answer may take */
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
  /** Reads the body, whose fields besides the file must not name anything but the caller's own. */
  async function withUpload(
    c: AppContext,
    call: Call,
    send: (body: Uint8Array, deadline: Deadline) => Promise<Response>,
  ): Promise<Response> {
    const memory = shares.memoryFor(call.session.user)
    try {
      const bytes = await readBytes(c, bodyLimits, memory.hold)
      const type = c.req.header('Content-Type') ?? ''
      if (FORM_TYPE.test(type)) {
        await requireOwn(ownership, call, idsIn(await fieldsOf(type, bytes)))
      }
      const deadline = startDeadline(answerMs, c.req.raw.signal)
      return await send(bytes, deadline).finally(() => deadline.stop())
    } finally {
      memory.release()
    }
  }

  return {
    /** The form of a `direct` upload. */
    takeForm(c: AppContext, call: Call): Promise<Response> {
      return withUpload(c, call, async (body, deadline) => {
        const url = call.workflow.uploadUrl ?? call.workflow.server
        const reply = await forward(c, call, { method: 'POST', url, body, deadline })
        const { json } = await readJsonAnswer(reply, deadline)
        return c.json(await answerAttachment(call, json))
      })
    },

    /**
     * `PUT` of the bytes, or `POST` of a form, to a link. The link says who owns the attachment, as
     * ChatKit may send the bytes without any header of the page.
     */
    async takeLinked(c: AppContext, call: Call, link: Claims): Promise<Response> {
      const { attachment, url } = targetOf(link, call.workflow.server)
      await requireOwn(ownership, call, idsIn({ attachment }))
      return withUpload(c, call, async (body, deadline) => {
        const method = c.req.method === 'PUT' ? 'PUT' : 'POST'
        const reply = await forward(c, call, { method, url, body, deadline })
        // The body of the answer is of no use to anyone.
        reply.body.destroy()
        return c.body(null, 204)
      })
    },
  }
}

function idsIn(params: Record<string, unknown>): RequestIds {
  return idsOf({ known: false, request: { type: 'upload', params } })
}

async function fieldsOf(contentType: string, bytes: Uint8Array): Promise<Record<string, unknown>> {
  const headers = { 'content-type': contentType }
  try {
    const form = await new Response(new Uint8Array(bytes), { headers }).formData()
    const fields = new Map<string, string[]>()
    for (const [name, value] of form) {
      if (typeof value === 'string') fields.set(name, [...(fields.get(name) ?? []), value])
    }
    return Object.fromEntries(fields)
  } catch (error) {
    throw new ServiceError('invalid_request', {
      reason: 'a form that cannot be read',
      cause: error,
    })
  }
}
