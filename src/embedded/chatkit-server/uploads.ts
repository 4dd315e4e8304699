// Stores the bytes of attachments, and serves them.

import type { Context, Hono } from 'hono'
import { ApiError } from '../../http/backend/api-error.ts'
import { asAttachment, type SampleStore } from './store.ts'

const DIRECT = '/upload'
const TWO_PHASE = '/upload/:id'
const OCTETS = 'application/octet-stream'

/**
 * Adds the routes for the bytes of attachments. `POST /upload` with a form is the `direct` strategy and makes
 * the attachment; `PUT` (bytes) or `POST` (form) on `/upload/{id}` is the second phase of `two_phase`. `GET
 * /upload/{id}` gives the bytes to anyone.
 */
export function addUploads(app: Hono, store: SampleStore): void {
  app.post(DIRECT, async (context) => {
    const file = await fileOf(context)
    const attachment = store.createAttachment({
      name: file.name,
      mime_type: file.type || OCTETS,
      bytes: await file.bytes(),
    })
    return context.json(asAttachment(attachment, new URL(context.req.url).origin))
  })
  app.put(TWO_PHASE, async (context) => {
    const attachment = store.attachment(context.req.param('id'))
    attachment.bytes = new Uint8Array(await context.req.arrayBuffer())
    return context.body(null, 204)
  })
  app.post(TWO_PHASE, async (context) => {
    const attachment = store.attachment(context.req.param('id'))
    attachment.bytes = await (await fileOf(context)).bytes()
    return context.body(null, 204)
  })
  app.get(TWO_PHASE, (context) => {
    const { id, bytes, mime_type } = store.attachment(context.req.param('id'))
    if (bytes === undefined) throw new ApiError(404, `Nothing was uploaded for '${id}'.`)
    return context.body(new Uint8Array(bytes), 200, { 'content-type': mime_type })
  })
}

/** The field `file` of a form. */
async function fileOf(context: Context): Promise<File> {
  const form = await context.req.formData().catch(() => undefined)
  const file = form?.get('file')
  if (!(file instanceof File)) throw new ApiError(400, `A form with a field 'file' is needed.`)
  return file
}
