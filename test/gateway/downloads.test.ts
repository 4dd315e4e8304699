import type { RequestListener } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test, vi } from 'vitest'
import { linkUseOf } from '../../src/gateway/files/file-links.ts'
import type { AppContext } from '../../src/http/context.ts'
import { eventually } from '../support/eventually.ts'
import { userId } from '../support/ids.ts'
import { flood } from '../support/network/listen.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { bytes, startFiles } from './file-server.ts'
import { WORKFLOW } from './scene.ts'

const PNG = bytes('image/png', 'picture', { 'set-cookie': 'a=b', etag: '"1"', 'x-internal': '1' })
/** Answers with the beginning of a film, and falls silent. */
const BEGUN: RequestListener = (_request, response) =>
  void response.writeHead(200, { 'content-type': 'video/mp4' }).write('a')
const seconds = () => Math.floor(Date.now() / 1000)

async function startPicture(options?: Parameters<typeof startFiles>[0]) {
  const at = await startFiles(options)
  at.serve(PNG)
  const link = await at.linkTo('/files/1.png?a=b')
  at.seen.length = 0
  return { ...at, link }
}

describe('a link to a picture', () => {
  test('answers with the picture, needs no header of the page, and sends headers with which it can only be shown', async () => {
    const { link, seen, session } = await startPicture()
    const response = await fetch(link)
    expect(await response.text()).toBe('picture')
    const headers = Object.fromEntries(response.headers)
    expect(headers).toMatchObject({
      'content-type': 'image/png',
      'x-content-type-options': 'nosniff',
      'content-security-policy': 'sandbox',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      etag: '"1"',
    })
    for (const name of ['set-cookie', 'x-internal', 'content-disposition', 'location']) {
      expect(headers).not.toHaveProperty(name)
    }
    expect(seen).toMatchObject([
      {
        method: 'GET',
        url: '/files/1.png?a=b',
        headers: { 'x-chatkit-user': 'alice', 'x-chatkit-session': session.id },
      },
    ])
    expect(seen[0]?.headers.authorization).toMatch(/^Bearer eyJ/)
  })

  test('answers HEAD without the bytes', async () => {
    const { link, seen } = await startPicture()
    const response = await fetch(link, { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(response.headers.get('content-type')).toBe('image/png')
    expect(seen).toMatchObject([{ method: 'HEAD' }])
  })

  test.each([404, 405, 501])(
    'answers HEAD by a GET where the server answers %i to HEAD',
    async (status) => {
      const { link, seen, serve } = await startPicture()
      serve((request, response) => {
        if (request.method === 'HEAD') response.writeHead(status).end()
        else PNG(request, response)
      })
      const response = await fetch(link, { method: 'HEAD' })
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe('image/png')
      expect(seen).toMatchObject([{ method: 'HEAD' }, { method: 'GET' }])
      expect((await fetch(link.replace('file=', 'file=x'), { method: 'HEAD' })).status).toBe(401)
      expect(seen).toHaveLength(2)
    },
  )

  test.each(['image/gif', 'audio/mpeg', 'video/mp4; codecs="x"', 'IMAGE/WEBP'])(
    'takes %s',
    async (type) => {
      const { link, serve } = await startPicture()
      serve(bytes(type, 'x'))
      expect((await fetch(link)).status).toBe(200)
    },
  )

  test.each(['image/svg+xml', 'image/svg', 'image/x+xml', 'audio/x+xml', 'video/x+xml'])(
    'gives %s to be stored only',
    async (type) => {
      const { link, serve } = await startPicture()
      serve(bytes(type, '<svg onload="alert(1)"/>'))
      const response = await fetch(link)
      expect(response.headers.get('content-disposition')).toBe('attachment')
      expect(response.headers.get('content-security-policy')).toBe('sandbox')
    },
  )

  test.each([
    'text/html',
    'application/pdf',
    'application/javascript',
    'image/',
    'image/png, text/html',
    '',
  ])('is no way to a file of type %j', async (type) => {
    const { link, serve } = await startPicture()
    serve(bytes(type, '<script>'))
    const answer = await answerOf(await fetch(link))
    expectProblem(answer, 404, 'not_found')
    expect(answer.body).not.toContain('script>')
  })

  test('passes a range on, and returns that part', async () => {
    const { link, serve, seen } = await startPicture()
    serve((request, response) => {
      const part = request.headers.range === 'bytes=1-2' && request.headers['if-range'] === '"1"'
      const headers = { 'content-type': 'video/mp4', 'content-range': 'bytes 1-2/7' }
      response.writeHead(part ? 206 : 200, headers).end('ic')
    })
    const headers = { range: 'bytes=1-2', 'if-range': '"1"' }
    const response = await fetch(link, { headers })
    expect(response.status).toBe(206)
    expect(response.headers.get('content-range')).toBe('bytes 1-2/7')
    expect(await response.text()).toBe('ic')
    await fetch(link, { headers: { range: 'bytes=0-1,3-4' } })
    expect(seen.at(-1)?.headers).not.toHaveProperty('range')
  })

  test('answers a range beyond the end as the server does', async () => {
    const { link, serve } = await startPicture()
    serve((_request, response) => response.writeHead(416, { 'content-type': 'video/mp4' }).end())
    const response = await fetch(link, { headers: { range: 'bytes=9-' } })
    expectProblem(await answerOf(response), 416, 'server_refused')
  })
})

describe('a server with a wrong answer', () => {
  test.each([
    ['a redirect', 302, { location: 'http://169.254.169.254/' }],
    ['a part that nobody asked for', 206, {}],
    ['a compressed file', 200, { 'content-encoding': 'gzip' }],
  ])('%s is 502', async (_name, status, more) => {
    const { link, serve } = await startPicture()
    const headers = { 'content-type': 'image/png', ...more }
    serve((_request, response) => response.writeHead(status, headers).end('x'))
    expectProblem(await answerOf(await fetch(link)), 502, 'upstream_invalid_response')
  })

  test('a file that is shorter than announced breaks off, and a longer one ends at the announced length', async () => {
    const { link, serve } = await startPicture()
    serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': '10' }).write('abc')
      setTimeout(() => response.destroy(), 20)
    })
    const short = await fetch(link)
    await expect(short.bytes()).rejects.toThrow()
    serve((_request, response) => {
      const head = 'HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 3\r\n\r\n'
      response.socket?.end(`${head}abcHTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<script>`)
    })
    expect(await (await fetch(link)).text()).toBe('abc')
    serve(PNG)
    expect(await (await fetch(link)).text()).toBe('picture')
  })

  test('early hints are ignored, and headers without an end are 503', async () => {
    const { link, serve } = await startPicture()
    serve((request, response) => {
      response.writeEarlyHints({ link: '</x>; rel=preload' })
      PNG(request, response)
    })
    expect(await (await fetch(link)).text()).toBe('picture')
    serve((_request, response) => {
      response.socket?.write('HTTP/1.1 200 OK\r\ncontent-type: image/png\r\n')
      const more = (error?: Error | null) => {
        if (!error) response.socket?.write(`x-more: ${'a'.repeat(8192)}\r\n`, more)
      }
      more()
    })
    expectProblem(await answerOf(await fetch(link)), 503, 'upstream_unavailable')
  })

  test('a server that falls silent in the middle of a file ends the download', async () => {
    const { link, serve } = await startPicture({ gateway: { idleMs: 1100 } })
    serve(BEGUN)
    await expect((await fetch(link)).bytes()).rejects.toThrow()
  })
})

test('a file of 1 GB streams at the client’s pace and is never held in memory', async () => {
  const { link, serve } = await startPicture()
  let sent = 0
  serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': String(2 ** 30) })
    flood(response, 2 ** 30, (bytes) => {
      sent += bytes
    })
  })
  const reader = (await fetch(link)).body?.getReader()
  await reader?.read()
  let before = -1
  // The server may have sent only as much as the buffers of the sockets hold.
  while (before !== sent) {
    before = sent
    await wait(200)
  }
  expect(sent).toBeLessThan(64 * 2 ** 20)
  let received = 0
  for (let part = await reader?.read(); part?.done === false && received < 2 ** 27; ) {
    received += part.value.length
    part = await reader?.read()
  }
  expect(received).toBeGreaterThanOrEqual(2 ** 27)
  await reader?.cancel()
  const at = sent
  await wait(300)
  expect(sent).toBeLessThanOrEqual(at + 64 * 2 ** 20)
})

describe('one object, one purpose', () => {
  test('a link to a picture accepts GET and HEAD, one for bytes PUT and POST; any other method is 405', async () => {
    const { link, answered, origin, seen, reachable, scene } = await startPicture()
    const params = { name: 'a', size: 1, mime_type: 'image/png' }
    const made = { id: 'atc_1', upload_url: `${origin}/up` }
    const attachment = await answered(made, ['attachments.create', params])
    const upload = reachable(String(attachment['upload_url']))
    seen.length = 0
    const attempts = [
      [link, 'POST', 'GET, HEAD, OPTIONS'],
      [link, 'PUT', 'GET, HEAD, OPTIONS'],
      [upload, 'GET', 'PUT, POST, OPTIONS'],
      [upload, 'HEAD', 'PUT, POST, OPTIONS'],
      [scene.url, 'GET', 'POST, OPTIONS'],
      [scene.url, 'PUT', 'POST, OPTIONS'],
    ] as const
    for (const [url, method, allow] of attempts) {
      const response = await fetch(url, { method })
      expect([response.status, response.headers.get('allow')]).toEqual([405, allow])
    }
    const token = (url: string) => url.split('=').at(-1) ?? ''
    for (const [url, method] of [
      [`${scene.url}?file=${token(upload)}`, 'GET'],
      [`${scene.url}?upload=${token(link)}`, 'PUT'],
      [`${link}x`, 'GET'],
      [link.replace('/helpdesk', '/other'), 'GET'],
      [`${scene.url}?file=`, 'GET'],
    ] as const) {
      const { status } = await fetch(url, { method })
      expect([401, 404]).toContain(status)
    }
    expect(seen).toEqual([])
  })

  test('a client secret is no link, and a link is no client secret', async () => {
    const { link, session, scene, seen } = await startPicture()
    const asLink = await fetch(`${scene.url}?file=${session.secret}`)
    expectProblem(await answerOf(asLink), 401, 'invalid_token')
    const headers = {
      authorization: `Bearer ${new URL(link).searchParams.get('file')}`,
      'content-type': 'application/json',
    }
    const body = JSON.stringify({ type: 'threads.list', params: {} })
    const asSecret = await fetch(scene.url, { method: 'POST', headers, body })
    expectProblem(await answerOf(asSecret), 401, 'invalid_token')
    expect(seen).toEqual([])
  })

  test('the preview of another user’s attachment is 404, although the server shows it', async () => {
    const { answered, reachable, scene, origin, seen } = await startFiles()
    const of = { source: WORKFLOW, kind: 'attachment', id: 'atc_bob', createdAt: 1 } as const
    await scene.registry.claimOwnership({ ...of, user: userId('bob') })
    const attachments = ['atc_bob', 'atc_old'].map((id) => ({ id, preview_url: `${origin}/p.png` }))
    const item = { id: 'i', thread_id: 'thr_1', created_at: 1, type: 'user_message', attachments }
    const page = { data: [item], has_more: false }
    const { data } = await answered(page, ['items.list', { thread_id: 'thr_1' }])
    const [foreign, old] = (data as [{ attachments: { preview_url: string }[] }])[0].attachments
    seen.length = 0
    const answer = await answerOf(await fetch(reachable(foreign?.preview_url ?? '')))
    expectProblem(answer, 404, 'not_found')
    expect(seen).toEqual([])
    await fetch(reachable(old?.preview_url ?? ''))
    expect(seen).toHaveLength(1)
  })
})

describe('a link ends', () => {
  test.each(['revoked', 'signed_out', 'logged_out'] as const)(
    'when its user was %s, also when a new session has begun',
    async (endReason) => {
      const { link, scene, seen } = await startPicture()
      await scene.registry.revoke({ user: userId('alice'), endReason, by: 'ada', now: seconds() })
      await scene.session('alice')
      seen.length = 0
      expectProblem(await answerOf(await fetch(link)), 401, 'invalid_token')
      expect(seen).toEqual([])
    },
  )

  test('with a block, and stays ended when the block is lifted', async () => {
    const { link, scene, seen } = await startPicture()
    const [user, now] = [userId('alice'), seconds()]
    const block = { until: now + 600, reason: undefined, by: 'admin' }
    await scene.registry.revoke({ user, endReason: 'revoked', by: 'ada', block, now })
    seen.length = 0
    expectProblem(await answerOf(await fetch(link)), 401, 'invalid_token')
    await scene.registry.liftBlock(user, now)
    expectProblem(await answerOf(await fetch(link)), 401, 'invalid_token')
    expect(seen).toEqual([])
  })

  test('after an hour, and not when its session was cancelled or has expired', async () => {
    const start = Date.now()
    const clock = vi.spyOn(Date, 'now').mockReturnValue(start)
    const { link, scene, session } = await startPicture()
    await scene.registry.beginCancel(session.id, seconds())
    clock.mockReturnValue(start + 3_599_000)
    expect((await fetch(link)).status).toBe(200)
    clock.mockReturnValue(start + 3_601_000)
    expectProblem(await answerOf(await fetch(link)), 401, 'invalid_token')
    clock.mockRestore()
  })

  test('in the middle of a download', async () => {
    const { link, scene, serve } = await startPicture()
    serve(BEGUN)
    const response = await fetch(link)
    const revoke = { user: userId('alice'), endReason: 'revoked', by: 'ada' } as const
    await scene.registry.revoke({ ...revoke, now: seconds() })
    await expect(response.bytes()).rejects.toThrow()
  })
})

describe('the links of one user', () => {
  test('are followed 20 at a time, one more is 429, and those of other users are not affected', async () => {
    const { link, serve } = await startPicture()
    const open: (() => void)[] = []
    serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'video/mp4' }).write('a')
      open.push(() => response.end())
    })
    const running = await Promise.all(Array.from({ length: 20 }, () => fetch(link)))
    const refused = await answerOf(await fetch(link))
    expectProblem(refused, 429, 'rate_limited')
    expect(refused.headers['retry-after']).toBe('2')
    expect(open).toHaveLength(20)
    for (const end of open) end()
    await Promise.all(running.map((response) => response.bytes()))
    await eventually(async () => {
      const response = await fetch(link)
      await response.body?.cancel()
      expect(response.status).toBe(200)
    })
  })

  test('free their slots when the client or the server ends the download', async () => {
    const { link, serve } = await startPicture()
    serve(BEGUN)
    for (let round = 0; round < 25; round++) {
      const leaving = new AbortController()
      await eventually(async () => {
        const response = await fetch(link, { signal: leaving.signal })
        if (response.status === 429) await response.text()
        expect(response.status).toBe(200)
      })
      leaving.abort()
    }
    serve(bytes('text/html', 'x'))
    for (let round = 0; round < 25; round++)
      expect([404, 429]).toContain((await fetch(link)).status)
    serve(PNG)
    await eventually(async () => expect((await fetch(link)).status).toBe(200))
  })

  test('have the limit of limits.reads_per_user', async () => {
    const { link, seen, scene } = await startPicture({ maxReads: 20 })
    for (let at = 0; at < 20; at++) expect((await fetch(link)).status).toBe(200)
    seen.length = 0
    // More than a user's slots: a refused link takes none.
    for (let at = 0; at < 25; at++) {
      const refused = await answerOf(await fetch(link))
      expectProblem(refused, 429, 'rate_limited')
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(1)
    }
    const reasons = scene.lines.filter(({ status }) => status === 429).map(({ reason }) => reason)
    expect(new Set(reasons)).toEqual(new Set(['more than 20 links of a user in 60 s']))
    expect(seen).toEqual([])
  })
})

test('neither link nor target is logged, whatever happens', async () => {
  const { link, scene, serve } = await startPicture()
  await fetch(link)
  await fetch(`${link}x`)
  serve((_request, response) => response.destroy())
  await fetch(link)
  const lines = JSON.stringify(scene.lines)
  expect(scene.lines.length).toBeGreaterThan(3)
  expect(lines).not.toContain('eyJ')
  expect(lines).not.toContain('1.png')
})

test('an <img> needs no Origin; a page that is not allowed gets nothing', async () => {
  const { link, seen } = await startPicture()
  const answer = await answerOf(await fetch(link, { headers: { origin: 'https://evil.example' } }))
  expectProblem(answer, 403, 'origin_not_allowed')
  expect(seen).toEqual([])
})

test.each([
  [{}, 'GET', 'a chat is a POST, and GET needs a link'],
  [{ file: 'x' }, 'POST', 'another purpose than that of the link'],
])(
  'with the query %j the log says why %s is refused',
  (query: Record<string, string>, method, reason) => {
    const c = { req: { method, query: (name: string) => query[name] }, get: () => ({}) }
    expect(() => linkUseOf(c as unknown as AppContext)).toThrow(
      expect.objectContaining({ code: 'method_not_allowed', reason }),
    )
  },
)
