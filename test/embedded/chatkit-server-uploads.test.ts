import { describe, expect, it } from 'vitest'
import { serverAttachment } from '../../src/chatkit/protocol/thread.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { ask, eventsOf, input, textOf } from '../support/chatkit/server-client.ts'
import { forEachTest } from '../support/started.ts'

const running = forEachTest(() => startSampleServer())

function form(bytes: string, name = 'a.txt', type = 'text/plain'): FormData {
  const data = new FormData()
  data.set('file', new File([bytes], name, { type }))
  return data
}

async function createAttachment(mime_type = 'text/plain') {
  const params = { name: 'a.txt', size: 3, mime_type }
  const response = await ask(running.url, ['attachments.create', params])
  return serverAttachment.parse(await response.json())
}

async function bytesOf(id: string): Promise<string> {
  const response = await fetch(`${running.origin}/upload/${id}`)
  return response.ok ? await response.text() : `status ${response.status}`
}

describe('two_phase', () => {
  it('attachments.create says where the bytes go, in the old way and in the new', async () => {
    const attachment = await createAttachment()
    expect(attachment).toEqual({
      id: expect.stringMatching(/^atc_[0-9a-f]{8}$/),
      type: 'file',
      name: 'a.txt',
      mime_type: 'text/plain',
      upload_url: `${running.origin}/upload/${attachment.id}`,
      upload_descriptor: {
        url: `${running.origin}/upload/${attachment.id}`,
        method: 'PUT',
        headers: { 'content-type': 'text/plain' },
      },
    })
    expect(await bytesOf(attachment.id)).toBe('status 404')
  })

  it('PUT of the bytes stores them', async () => {
    const { id, upload_descriptor: to } = await createAttachment()
    const init = { method: to?.method ?? '', headers: to?.headers ?? {}, body: 'abc' }
    expect((await fetch(to?.url ?? '', init)).status).toBe(204)
    expect(await bytesOf(id)).toBe('abc')
  })

  it('POST of a form stores the bytes of its file', async () => {
    const { id, upload_url } = await createAttachment()
    const response = await fetch(upload_url ?? '', { method: 'POST', body: form('abc') })
    expect(response.status).toBe(204)
    expect(await bytesOf(id)).toBe('abc')
  })

  it.each(['PUT', 'POST'])('%s for an unknown attachment is 404', async (method) => {
    const body = method === 'PUT' ? 'abc' : form('abc')
    const response = await fetch(`${running.origin}/upload/atc_00000000`, { method, body })
    expect(response.status).toBe(404)
  })
})

describe('direct', () => {
  it('POST /upload of a form makes the attachment', async () => {
    const body = form('\u0089PNG', 'b.png', 'image/png')
    const response = await fetch(`${running.origin}/upload`, { method: 'POST', body })
    const attachment = serverAttachment.parse(await response.json())
    expect(attachment).toEqual({
      id: attachment.id,
      type: 'image',
      name: 'b.png',
      mime_type: 'image/png',
      preview_url: `${running.origin}/upload/${attachment.id}`,
    })
    expect(await bytesOf(attachment.id)).toBe('\u0089PNG')
  })

  it('anything but a form with a file is 400', async () => {
    const empty = new FormData()
    empty.set('file', 'text')
    for (const body of ['abc', empty]) {
      const response = await fetch(`${running.origin}/upload`, { method: 'POST', body })
      expect(response.status).toBe(400)
    }
  })
})

describe('attachments in messages', () => {
  it('come back in the message and in the answer', async () => {
    const { id } = await createAttachment('image/png')
    const params = { input: input('look', [id]) }
    const events = await eventsOf(await ask(running.url, ['threads.create', params]))
    expect(events[1]).toMatchObject({
      item: { type: 'user_message', attachments: [{ id, type: 'image' }] },
    })
    expect(textOf(events)).toBe('You said: look (attached: a.txt)')
  })

  it('attachments.delete removes them and their bytes', async () => {
    const { id } = await createAttachment()
    await fetch(`${running.origin}/upload/${id}`, { method: 'PUT', body: 'abc' })
    const remove = async () => {
      const response = await ask(running.url, ['attachments.delete', { attachment_id: id }])
      return [response.status, await response.json()]
    }
    expect(await remove()).toEqual([200, {}])
    expect(await bytesOf(id)).toBe('status 404')
    expect((await remove())[0]).toBe(404)
  })
})
