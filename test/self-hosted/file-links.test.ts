import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { asAt, createThread } from '../gateway/scene.ts'
import { ADMINS, revoke, secretOf, signOut } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { APP_ORIGIN, startService, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

// A picture goes up and is seen, at two instances that share a store.

const FRAME = 'https://cdn.platform.openai.com'

const sample = forAllTests(() => startSampleServer())
const instances = forAllTests(async () => {
  const store = join(scratchFolder(), 'store.db')
  const config = selfHostedConfig({ server: sample.url, more: ADMINS })
  const env = { PUBLIC_URL, STORE_URL: `sqlite:${store}` }
  const first = await startService({ config, env })
  const second = await startService({ config, env })
  return { first, second, close: () => Promise.all([first.close(), second.close()]) }
})
beforeEach(() => sample.server.clearRequests())

/** Uploads a picture at the second instance, and gives the link to it as the first one shows it. */
async function showPicture(): Promise<string> {
  const { first, second } = instances
  const alice = asAt(`${first.url}/chatkit/helpdesk`, { secret: await secretOf(first) })
  const params = { name: 'a.png', size: 3, mime_type: 'image/png' }
  const made = await (await alice(['attachments.create', params])).json()
  const { id, upload_url } = made as { id: string; upload_url: string }
  const headers = { origin: APP_ORIGIN, 'content-type': 'image/png' }
  const upload = upload_url.replace(PUBLIC_URL, second.url)
  const put = await fetch(upload, { method: 'PUT', headers, body: 'abc' })
  expect(put.status).toBe(204)
  expect(put.headers.get('access-control-allow-origin')).toBe(APP_ORIGIN)
  const { id: thread_id } = await createThread(alice)
  const image = { id: 'img_1', url: `${sample.origin}/upload/${id}` }
  const item = { id: 'i', thread_id, created_at: 1, type: 'generated_image', image }
  sample.server.setFaults({ status: 200, body: { data: [item], has_more: false }, times: 1 })
  const page = await (await alice(['items.list', { thread_id }])).json()
  const [shown] = (page as { data: { image: { url: string } }[] }).data
  sample.server.clearRequests()
  return shown?.image.url.replace(PUBLIC_URL, second.url) ?? ''
}

test('an uploaded picture is seen at another instance, by an <img> and by ChatKit’s frame', async () => {
  const link = await showPicture()
  for (const headers of [{}, { origin: FRAME }, { origin: APP_ORIGIN }]) {
    const response = await fetch(link, { headers })
    expect(response.headers.get('content-type')).toBe('image/png')
    expect(await response.text()).toBe('abc')
  }
  const foreign = await fetch(link, { headers: { origin: 'https://evil.example' } })
  expect(foreign.status).toBe(403)
})

test.each([
  ['a revoke', () => revoke(instances.first, 'alice')],
  ['a sign-out', () => signOut(instances.first, tokenFor('alice'))],
])(
  'a link ends at every instance with %s, and the server sees nothing more',
  async (_name, end) => {
    const link = await showPicture()
    await end()
    expectProblem(await answerOf(await fetch(link)), 401, 'invalid_token')
    expect(sample.server.requests()).toEqual([])
  },
)
