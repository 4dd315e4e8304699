import { once } from 'node:events'
import { createServer, request } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { input } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { forEachTest } from '../support/started.ts'
import { asAt, ISSUER, type Session, startScene } from './scene.ts'
import { start } from './scripted-server.ts'

let session: Session
const scene = forEachTest(() => startScene())
beforeEach(async () => {
  session = await scene.session('alice')
})

const PARAMS = { name: 'a.txt', size: 3, mime_type: 'text/plain' }

interface Attachment {
  readonly id: string
  readonly upload_url: string
  readonly upload_descriptor: { url: string; method: string; headers: Record<string, string> }
}

async function create(as: Session = session): Promise<Attachment> {
  const response = await asAt(scene.url, as)(['attachments.create', PARAMS])
  expect(response.status).toBe(200)
  return (await response.json()) as Attachment
}

/** A link with the gateway's address in this test in place of `PUBLIC_URL`. */
const reachable = (link: string): string => link.replace(ISSUER, scene.origin)

function form(fields: Record<string, string> = {}): FormData {
  const data = new FormData()
  data.set('file', new File(['abc'], 'a.txt', { type: 'text/plain' }))
  for (const [name, value] of Object.entries(fields)) data.set(name, value)
  return data
}

async function stored(id: string): Promise<string> {
  return (await fetch(`${scene.sample.origin}/upload/${id}`)).text()
}

function authorized(of: Session = session): Record<string, string> {
  return { authorization: `Bearer ${of.secret}` }
}

/** A server that begins its answer to an upload at once, and ends it when it has read everything, or breaks it off or never ends it. */
async function startEager() {
  const uploads: number[] = []
  let ending: 'whole' | 'broken' | 'never' = 'whole'
  const server = createServer(async (request, response) => {
    if (request.url === '/chatkit') {
      request.resume()
      const attachment = { id: 'atc_1', ...PARAMS, type: 'file', upload_url: `${origin}/upload` }
      response.setHeader('content-type', 'application/json').end(JSON.stringify(attachment))
      return
    }
    const breakNow = ending === 'broken'
    response.writeHead(200).write('reading', () => breakNow && response.destroy())
    if (breakNow) return
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    uploads.push(bytes)
    if (ending === 'whole') response.end()
  })
  const { origin, close } = await listenOnLoopback(server)
  onTestFinished(close)
  const at = await start({ server: `${origin}/chatkit` })
  return {
    alice: at.alice,
    uploads,
    origin,
    reachable: (link: string) => link.replace(ISSUER, at.scene.origin),
    endAnswers: (how: typeof ending) => {
      ending = how
    },
  }
}

describe('two_phase', () => {
  test('upload links of a new attachment lead through the gateway and do not show the server’s address', async () => {
    const { id, upload_url, upload_descriptor } = await create()
    const link =
      /^https:\/\/mint\.acme\.example\/chatkit\/helpdesk\?upload=eyJ[\w-]+\.[\w-]+\.[\w-]+$/
    expect(upload_url).toMatch(link)
    expect(upload_descriptor).toEqual({
      url: expect.stringMatching(link),
      method: 'PUT',
      headers: { 'content-type': 'text/plain' },
    })
    expect(id).toMatch(/^atc_/)
    const payload = Buffer.from(upload_url.split('.').at(-2) ?? '', 'base64url').toString()
    expect(payload).not.toContain(scene.sample.origin)
  })

  test('bytes by PUT and a form by POST reach the server through their link, without a header of the page', async () => {
    const put = await create()
    const { url, method, headers } = put.upload_descriptor
    expect((await fetch(reachable(url), { method, headers, body: 'abc' })).status).toBe(204)
    expect(await stored(put.id)).toBe('abc')
    const post = await create()
    const answer = await fetch(reachable(post.upload_url), { method: 'POST', body: form() })
    expect(answer.status).toBe(204)
    expect(await stored(post.id)).toBe('abc')
    const request = scene.sample.server.requests().find(({ path }) => path === `/upload/${put.id}`)
    expect(request?.headers).toMatchObject({
      'x-chatkit-user': 'alice',
      'x-chatkit-session': session.id,
      'content-type': 'text/plain',
    })
  })

  test('an attachment that was uploaded can be sent in a message of its owner, and of nobody else', async () => {
    const { id, upload_descriptor: to } = await create()
    await fetch(reachable(to.url), { method: 'PUT', body: 'abc' })
    const request = ['threads.create', { input: input('hi', [id]) }] as const
    const sent = await asAt(scene.url, session)(request)
    expect(await sent.text()).toContain('attached: a.txt')
    const bob = await scene.session('bob')
    expect((await asAt(scene.url, bob)(request)).status).toBe(404)
  })

  test('an upload link works for its attachment only, after its session was cancelled too, and until a revoke', async () => {
    const { id, upload_descriptor } = await create()
    const url = reachable(upload_descriptor.url)
    const token = new URL(url).searchParams.get('upload') ?? ''
    scene.sample.server.clearRequests()
    const put = async (to: string, headers = {}) =>
      answerOf(await fetch(to, { method: 'PUT', headers, body: 'x' }))
    const asSecret = await asAt(scene.url, { secret: token })(['threads.list', {}])
    expectProblem(await answerOf(asSecret), 401, 'invalid_token')
    const secret = `${scene.url}?upload=${session.secret}`
    expectProblem(await put(secret), 401, 'invalid_token')
    expectProblem(await put(`${url}x`), 401, 'invalid_token')
    expectProblem(await put(scene.url, authorized()), 405, 'method_not_allowed')
    const now = Math.floor(Date.now() / 1000)
    const { upload_descriptor: other } = await create()
    await scene.registry.beginCancel(session.id, now)
    scene.sample.server.clearRequests()
    expect((await put(reachable(other.url))).status).toBe(204)
    await scene.registry.revoke({ user: userId('alice'), endReason: 'revoked', by: 'ada', now })
    scene.sample.server.clearRequests()
    expectProblem(await put(url), 401, 'invalid_token')
    expect(scene.sample.server.requests()).toEqual([])
    expect(await stored(id)).toContain('Nothing was uploaded')
  })

  test('an upload link to an attachment that was deleted is 404', async () => {
    const { id, upload_descriptor } = await create()
    const asker = asAt(scene.url, session)
    expect((await asker(['attachments.delete', { attachment_id: id }])).status).toBe(200)
    const answer = await fetch(reachable(upload_descriptor.url), { method: 'PUT', body: 'x' })
    expectProblem(await answerOf(answer), 404, 'not_found')
  })

  test('an upload URL of an object store stays as it is', async () => {
    const url = 'https://bucket.example/a?signature=abc'
    scene.sample.server.setFaults({ status: 200, body: { id: 'atc_1', upload_url: url }, times: 1 })
    expect((await create()).upload_url).toBe(url)
  })

  test('an upload under way ends with a revoke of its user', async () => {
    const { upload_descriptor } = await create()
    scene.sample.server.clearRequests()
    scene.sample.server.setFaults({ hang: true, times: 1 })
    const put = fetch(reachable(upload_descriptor.url), { method: 'PUT', body: 'x' })
    await expect.poll(() => scene.sample.server.requests().length).toBe(1)
    const now = Math.floor(Date.now() / 1000)
    await scene.registry.revoke({ user: userId('alice'), endReason: 'revoked', by: 'ada', now })
    expectProblem(await answerOf(await put), 401, 'invalid_token')
  })

  test('an upload whose user is revoked while its body arrives is 401, and the server does not see it', async () => {
    const { upload_descriptor } = await create()
    const opened = vi.spyOn(scene.registry, 'readStanding')
    onTestFinished(() => opened.mockRestore())
    const put = request(reachable(upload_descriptor.url), { method: 'PUT' })
    const answered = once(put, 'response')
    put.write('abc')
    await expect.poll(() => opened.mock.settledResults.length).toBe(1)
    const now = Math.floor(Date.now() / 1000)
    await scene.registry.revoke({ user: userId('alice'), endReason: 'revoked', by: 'ada', now })
    scene.sample.server.clearRequests()
    put.end('def')
    const [response] = await answered
    response.resume()
    expect(response.statusCode).toBe(401)
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('uploads free their slots, so that a user can send more than 20 one after the other', async () => {
    const { upload_descriptor } = await create()
    const send = () => fetch(reachable(upload_descriptor.url), { method: 'PUT', body: 'abc' })
    for (let at = 0; at < 25; at++) expect((await send()).status).toBe(204)
  })

  test('a server that begins its answer before it has read the upload gets the whole upload', async () => {
    const { alice, uploads, origin, reachable } = await startEager()
    const attachment = await alice(['attachments.create', PARAMS])
    const { upload_url } = (await attachment.json()) as Attachment
    expect(upload_url).not.toContain(origin)
    const body = new Uint8Array(9_000_000)
    const put = await fetch(reachable(upload_url), { method: 'PUT', body })
    expect(put.status).toBe(204)
    expect(uploads).toEqual([body.length])
  })

  test.each([
    ['is kept once it was sent on', 'whole', 0],
    ['is kept twice until the server answers', 'never', 1],
  ] as const)('nothing of a form %s', async (_, how, times) => {
    setFlagsFromString('--expose-gc')
    const gc: () => void = runInNewContext('gc')
    const { alice, uploads, reachable, endAnswers } = await startEager()
    const attachment = await alice(['attachments.create', PARAMS])
    const { upload_url } = (await attachment.json()) as Attachment
    endAnswers(how)
    const send = async (bytes: number) => {
      const { headers, body } = new Response(form({ note: 'x'.repeat(bytes) }))
      const sent = request(reachable(upload_url), { method: 'POST' }).on('error', () => {})
      onTestFinished(() => void sent.destroy())
      sent.setHeader('content-type', headers.get('content-type') ?? '')
      for await (const chunk of body ?? []) sent.write(chunk)
      sent.end().on('response', (response) => response.resume())
    }
    const held = () => {
      gc()
      return process.memoryUsage().arrayBuffers
    }
    await send(3)
    await expect.poll(() => uploads.length).toBe(1)
    const before = held()
    await send(9_000_000)
    await expect.poll(() => uploads.length).toBe(2)
    const most = times * 9_000_000 + 4_000_000
    await expect.poll(() => held() - before, { timeout: 5000 }).toBeLessThan(most)
  })

  test('a server whose answer to an upload breaks off makes it 502', async () => {
    const { alice, reachable, endAnswers } = await startEager()
    const attachment = await alice(['attachments.create', PARAMS])
    const { upload_url } = (await attachment.json()) as Attachment
    endAnswers('broken')
    const put = await fetch(reachable(upload_url), { method: 'PUT', body: 'abc' })
    expectProblem(await answerOf(put), 502, 'upstream_invalid_response')
  })

  test('an upload that is too long is 413', async () => {
    const { upload_descriptor } = await create()
    const body = 'x'.repeat(10 * 1024 * 1024 + 1)
    const answer = await fetch(reachable(upload_descriptor.url), { method: 'PUT', body })
    expectProblem(await answerOf(answer), 413, 'body_too_large')
  })
})

describe('direct', () => {
  let alice: Session
  const direct = forEachTest(() => {
    const { origin, url } = scene.sample
    return startScene({ server: url, workflow: { uploadUrl: `${origin}/upload` } })
  })
  beforeEach(async () => {
    alice = await direct.session('alice')
  })

  const upload = (body: FormData, headers = authorized(alice)) =>
    fetch(direct.url, { method: 'POST', headers, body })

  test('a form makes an attachment that belongs to the caller', async () => {
    const response = await upload(form())
    expect(response.status).toBe(200)
    const { id } = (await response.json()) as Attachment
    expect(await stored(id)).toBe('abc')
    const request = ['threads.create', { input: input('hi', [id]) }] as const
    const bob = await direct.session('bob')
    expect((await asAt(direct.url, bob)(request)).status).toBe(404)
    expect((await asAt(direct.url, alice)(request)).status).toBe(200)
  })

  test('beyond a thousand new attachments in a day, neither a form nor JSON reaches the server, and others go on', async () => {
    const json = (as: Session) => asAt(direct.url, as)(['attachments.create', PARAMS])
    expect((await json(alice)).status).toBe(200)
    const window = { seconds: 86_400, nowMs: Date.now() }
    const { used, resetMs } = await direct.registry.consume('attachments:alice', window)
    expect(used).toBe(2)
    expect(resetMs).toBeGreaterThan(86_000_000)
    for (let n = 3; n < 1000; n++) await direct.registry.consume('attachments:alice', window)
    expect((await upload(form())).status).toBe(200)
    scene.sample.server.clearRequests()
    expectProblem(await answerOf(await upload(form())), 429, 'rate_limited')
    expectProblem(await answerOf(await json(alice)), 429, 'rate_limited')
    expect(scene.sample.server.requests()).toEqual([])
    expect((await json(await direct.session('bob'))).status).toBe(200)
  })

  test('a form without a client secret is 401, and a body that is not a form is 400', async () => {
    expectProblem(await answerOf(await upload(form(), {} as never)), 401, 'missing_token')
    const headers = { ...authorized(alice), 'content-type': 'multipart/form-data; boundary=x' }
    const answer = await fetch(direct.url, { method: 'POST', headers, body: 'no form' })
    expectProblem(await answerOf(answer), 400, 'invalid_request')
  })

  /** Uploads a form whose body is complete only after `meanwhile`. */
  async function uploadSlowly(as: Session, meanwhile: () => Promise<unknown>) {
    const whole = new Response(form())
    const bytes = Buffer.from(await whole.arrayBuffer())
    const headers = { ...authorized(as), 'content-type': whole.headers.get('content-type') ?? '' }
    const opened = vi.spyOn(direct.registry, 'useSession')
    const upload = request(direct.url, { method: 'POST', headers })
    const answered = once(upload, 'response')
    upload.write(bytes.subarray(0, 60))
    await expect.poll(() => opened.mock.settledResults.length).toBe(1)
    await meanwhile()
    scene.sample.server.clearRequests()
    upload.end(bytes.subarray(60))
    const [response] = await answered
    response.resume()
    return response.statusCode
  }

  test('a form whose session is cancelled while its body arrives is 401, and the server does not see it', async () => {
    const cancel = () => direct.registry.beginCancel(alice.id, Math.floor(Date.now() / 1000))
    expect(await uploadSlowly(alice, cancel)).toBe(401)
    expect(scene.sample.server.requests()).toEqual([])
  })

  test('a form whose session expires while its body arrives reaches the server', async () => {
    const short = await direct.session('alice', { seconds: 60 })
    const expire = async () => {
      const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 60_000)
      onTestFinished(() => clock.mockRestore())
      expect((await asAt(direct.url, short)(['threads.list', {}])).status).toBe(401)
    }
    expect(await uploadSlowly(short, expire)).toBe(200)
    expect(scene.sample.server.requests()).toHaveLength(1)
  })

  test('a form that waits for the server ends with the cancel of its session', async () => {
    scene.sample.server.clearRequests()
    scene.sample.server.setFaults({ hang: true, times: 1 })
    const posted = upload(form())
    await expect.poll(() => scene.sample.server.requests().length).toBe(1)
    await direct.registry.beginCancel(alice.id, Math.floor(Date.now() / 1000))
    const answer = await answerOf(await posted)
    expectProblem(answer, 401, 'invalid_token')
    expect(answer.body).toContain('Get a new one.')
  })

  test('forms and the answers to them free their memory when they have been sent', async () => {
    const { origin, url } = scene.sample
    const gateway = { userMemoryBytes: 1024 * 1024 }
    const workflow = { uploadUrl: `${origin}/upload` }
    const { scene: bounded, session: own } = await start({ server: url, workflow, gateway })
    const body = { id: 'atc_1', name: 'x'.repeat(300 * 1024) }
    scene.sample.server.setFaults({ status: 200, body, times: 5 })
    for (let at = 0; at < 5; at++) {
      const sent = {
        method: 'POST',
        headers: authorized(own),
        body: form({ note: 'x'.repeat(300 * 1024) }),
      }
      const answer = await fetch(bounded.url, sent)
      expect(answer.status).toBe(200)
      await answer.arrayBuffer()
    }
  })

  test('a form goes to the endpoint itself where the config has no upload URL', async () => {
    const answer = await fetch(scene.url, { method: 'POST', headers: authorized(), body: form() })
    // The sample server refuses a form at its endpoint.
    expect(await answer.json()).toMatchObject({ code: 'server_refused', status: 400 })
    expect(scene.sample.server.requests()).toMatchObject([{ path: '/chatkit' }])
  })
})

test('forms of several users are read one after the other, because each takes five times its bytes meanwhile; only the time of their own form counts against a user', async () => {
  // So short that the rest of all users does not begin, whose waits would count here too.
  const formMs = 97
  const restMs = 9 * formMs
  let clock = 0
  let underWay = 0
  let most = 0
  let read = 0
  const counting = new Proxy(Response, {
    construct(target, args) {
      const response: Response = Reflect.construct(target, args)
      const formData = response.formData.bind(response)
      const count = async () => {
        most = Math.max(most, ++underWay)
        await new Promise(setImmediate)
        clock += formMs
        const form = await formData()
        underWay--
        read++
        return form
      }
      return Object.defineProperty(response, 'formData', { value: count })
    },
  })
  vi.stubGlobal('Response', counting)
  onTestFinished(() => void vi.unstubAllGlobals())
  vi.spyOn(performance, 'now').mockImplementation(() => clock)
  const timers = vi.spyOn(globalThis, 'setTimeout')
  onTestFinished(() => void vi.restoreAllMocks())
  const body = form({ long: 'x'.repeat(100_000) })
  const users = await Promise.all(['a', 'b', 'c', 'd'].map((user) => scene.session(user)))
  const answers = users.map((user) =>
    fetch(scene.url, { method: 'POST', headers: authorized(user), body }),
  )
  for (const answer of await Promise.all(answers)) await answer.body?.cancel()
  expect({ read, most }).toEqual({ read: 4, most: 1 })
  const waits = timers.mock.calls.map(([, ms]) => ms ?? 0)
  expect(waits.filter((ms) => ms > 0 && ms % restMs === 0)).toEqual(Array(4).fill(restMs))
})
