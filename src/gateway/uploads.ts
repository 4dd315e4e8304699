import { idsOf } from '../chatkit/protocol/ids.ts'
import { readJsonAnswer } from '../chatkit/protocol/server-call.ts'
import type { AppContext } from '../http/context.ts'
import { readBytes } from '../http/read-bytes.ts'
import { startDeadline } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import { admitted } from './admission.ts'
import { attachmentAnswer } from './attachment-answer.ts'
import { UPLOAD_LINK_TYPE } from './client-secret.ts'
import { forward } from './forward.ts'
import type { GatewayCall, GatewayDeps } from './gateway-options.ts'
import { requireOwn } from './ownership.ts'
import { targetOf } from './upload-link.ts'

const FORM = /^multipart\/form-data *;/i

/** @param c - a request */
export function isForm(c: AppContext): boolean {
  return FORM.test(c.req.header('Content-Type') ?? '')
}

/**
 * The `direct` way: a form that makes an attachment.
 *
 * @param c - the form
 * @param call - whose
 */
export async function takeDirectUpload(c: AppContext, call: GatewayCall): Promise<Response> {
  const body = await readUpload(c, call)
  const deadline = startDeadline(call.limits.answerMs, c.req.raw.signal)
  try {
    const url = call.workflow.uploadUrl ?? call.workflow.server
    const reply = await forward(c, call, { method: 'POST', url, body, deadline })
    const { json } = await readJsonAnswer(reply, deadline)
    return c.json(await attachmentAnswer(call, json))
  } finally {
    deadline.stop()
  }
}

/**
 * The second phase of `two_phase`: the bytes of an attachment, to the link that its answer had. The link
 * says whose it is, as ChatKit may send the bytes without any header of the page's.
 *
 * @param c - `PUT` of the bytes, or `POST` of a form
 * @param name - of the workflow
 * @param deps - the gateway's
 */
export async function takeLinkedUpload(
  c: AppContext,
  name: string,
  deps: GatewayDeps,
): Promise<Response> {
  const token = c.req.query('upload')
  if (token === undefined) {
    throw new ServiceError('missing_token', { reason: 'an upload without its link' })
  }
  const { call, claims } = await admitted(c, deps, { name, token, type: UPLOAD_LINK_TYPE })
  const { attachment, url } = targetOf(claims, call.workflow.server)
  await requireOwn(call, { ...NO_IDS, attachments: [attachment] })
  const body = await readUpload(c, call)
  const deadline = startDeadline(call.limits.answerMs, c.req.raw.signal)
  try {
    const method = c.req.method === 'PUT' ? 'PUT' : 'POST'
    const reply = await forward(c, call, { method, url, body, deadline })
    // What it says besides "done" is of no use to anyone.
    reply.body.destroy()
    return c.body(null, 204)
  } finally {
    deadline.stop()
  }
}

const NO_IDS = {
  threads: [],
  attachments: [],
  mentioned: { threads: [], attachments: [] },
  subject: undefined,
}

/** The body, whose fields besides the file name nothing that is not the caller's. */
async function readUpload(c: AppContext, call: GatewayCall): Promise<Uint8Array> {
  const { maxBodyBytes: maxBytes, limits } = call
  const bytes = await readBytes(c, { maxBytes, milliseconds: limits.bodyMs })
  if (!isForm(c)) return bytes
  const params = await fieldsOf(c.req.header('Content-Type') ?? '', bytes)
  await requireOwn(call, {
    ...idsOf({ known: false, request: { type: 'upload', params } }),
    subject: undefined,
  })
  return bytes
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
    throw new ServiceError('invalid_request', { reason: 'a form that is none', cause: error })
  }
}
