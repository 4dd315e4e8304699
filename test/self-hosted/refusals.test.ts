import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { asAt, startScene } from '../gateway/scene.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

let seen: { url: string | undefined; method: string | undefined; body: string; type: string }[]
beforeEach(() => {
  seen = []
})

/** Alice in front of a server that answers as the test says. */
async function startBefore(handler: Handler, path = '/chatkit') {
  const server = createServer(async (request, response) => {
    const { url, method, headers } = request
    seen.push({ url, method, body: await text(request), type: headers['content-type'] ?? '' })
    handler(request, response)
  })
  const { origin } = await listenOnLoopback(server)
  const scene = await startScene({ server: `${origin}${path}` })
  onTestFinished(async () => {
    await scene.close()
    server.close()
  })
  const stop = () => new Promise((stopped) => server.close(stopped))
  return { scene, origin, stop, alice: asAt(scene.url, await scene.session('alice')) }
}

const REQUEST = ['attachments.create', { name: 'a.png', size: 1, mime_type: 'image/png' }] as const
const FIXED = 'The ChatKit server refused this request.'
const JSON_TYPE = 'application/json'

const json = (body: unknown) => [JSON_TYPE, JSON.stringify(body)] as const

test('the 405 of a server names the methods that are left', async () => {
  const { alice } = await startBefore((_request, response) => response.writeHead(405).end())
  const answer = await answerOf(await alice(REQUEST))
  expectProblem(answer, 405, 'server_refused')
  expect(answer.headers).toMatchObject({ allow: 'OPTIONS' })
})

test.each<[string, number, readonly [type: string, body: string], string]>([
  ['413 with `detail`', 413, json({ detail: 'limited to 5 MB' }), 'limited to 5 MB'],
  ['400 with `message`', 400, json({ message: 'only images' }), 'only images'],
  ['404 with `detail`', 404, json({ detail: 'no such assistant' }), 'no such assistant'],
  ['409 with `error`', 409, json({ error: 'taken' }), 'taken'],
  ['402 with `error.message`', 402, json({ error: { message: 'pay first' } }), 'pay first'],
  ['422 whose `detail` is a list', 422, json({ detail: [{ msg: 'x' }], message: 'no' }), 'no'],
  ['422 with a list alone', 422, json({ detail: [{ msg: 'x' }] }), FIXED],
  ['418 in plain text', 418, ['text/plain; charset=utf-8', 'short and stout'], 'short and stout'],
  ['400 with problem details', 400, ['application/problem+json', '{"detail":"why"}'], 'why'],
  ['400 in HTML', 400, ['text/html', '<h1>traceback</h1>'], FIXED],
  ['400 that says JSON and is none', 400, [JSON_TYPE, 'oops'], FIXED],
  ['400 with a text as JSON', 400, json('words'), FIXED],
  ['400 without a body', 400, [JSON_TYPE, ''], FIXED],
  ['400 with null', 400, json(null), FIXED],
  ['400 with an empty text', 400, json({ detail: '' }), FIXED],
  ['400 with control characters', 400, json({ detail: 'a\u0000b\u001b[31mc\nd' }), 'ab[31mc d'],
  ['400 with 501 characters', 400, json({ detail: '😀'.repeat(501) }), '😀'.repeat(500)],
  ['400 of a megabyte', 400, json({ detail: 'x'.repeat(1_000_000) }), FIXED],
  ['400 with half a pair', 400, [JSON_TYPE, '{"detail":"a\\ud800b"}'], 'a\ufffdb'],
])('what a server says with %s reaches the person', async (_name, status, [type, body], detail) => {
  const { alice } = await startBefore((_request, response) => {
    response.writeHead(status, { 'content-type': type, 'set-cookie': 'a=b' }).end(body)
  })
  const answer = await answerOf(await alice(REQUEST))
  expect(answer.status).toBe(status)
  expect(answer.json()).toMatchObject({ code: 'server_refused', status, detail })
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.headers).not.toHaveProperty('set-cookie')
})

test('what a server says of an upload reaches the person', async () => {
  const { scene } = await startBefore((_request, response) => {
    response.writeHead(413, { 'content-type': JSON_TYPE }).end('{"detail":"limited to 5 MB"}')
  })
  const { secret } = await scene.session('alice')
  const body = new FormData()
  body.append('file', new Blob(['x'.repeat(1000)], { type: 'image/png' }), 'a.png')
  const headers = { authorization: `Bearer ${secret}` }
  const answer = await answerOf(await fetch(scene.url, { method: 'POST', headers, body }))
  expect(answer.json()).toMatchObject({
    code: 'server_refused',
    status: 413,
    detail: 'limited to 5 MB',
  })
})

test('what looks like a credential in a server’s words is redacted, also around a control character', async () => {
  const key = 'sk-planted0123456789abcdef'
  const { alice, scene } = await startBefore((_request, response) => {
    const detail = `bad ${key} and ${key.slice(0, 9)}\u0007${key.slice(9)}`
    response.writeHead(400, { 'content-type': JSON_TYPE }).end(JSON.stringify({ detail }))
  })
  const answer = await answerOf(await alice(REQUEST))
  expect(answer.json()).toMatchObject({ code: 'server_refused', status: 400 })
  expect(answer.body).not.toContain('planted')
  expect(JSON.stringify(scene.lines)).not.toContain('planted')
})

test.each([
  ['7', '7'],
  ['0', '1'],
  ['100000', '120'],
  ['soon', '5'],
  [undefined, '5'],
])('a server’s 429 with Retry-After %s reaches the client with %s', async (header, expected) => {
  const { alice } = await startBefore((_request, response) => {
    response.writeHead(429, header === undefined ? {} : { 'retry-after': header }).end()
  })
  const answer = await answerOf(await alice(REQUEST))
  expectProblem(answer, 429, 'server_refused')
  expect(answer.headers['retry-after']).toBe(expected)
})

test.each([401, 403, 407])('a server’s %i is 502, and says nothing of its own', async (status) => {
  const { alice } = await startBefore((_request, response) => {
    response.writeHead(status, { 'content-type': JSON_TYPE }).end('{"detail":"planted"}')
  })
  const answer = await answerOf(await alice(REQUEST))
  expectProblem(answer, 502, 'upstream_auth_failed')
  expect(answer.body).not.toContain('planted')
})

test('a server’s 429 with a date in Retry-After reaches the client with the seconds until then', async () => {
  const { alice } = await startBefore((_request, response) => {
    const date = new Date(Date.now() + 60_000).toUTCString()
    response.writeHead(429, { 'retry-after': date }).end()
  })
  const answer = await answerOf(await alice(REQUEST))
  expectProblem(answer, 429, 'server_refused')
  const seconds = Number(answer.headers['retry-after'])
  expect(seconds > 20 && seconds <= 60).toBe(true)
})

const LIST = ['threads.list', {}] as const

test.each([
  [404, 'warn', 'server_refused', 'the path is wrong'],
  [401, 'error', 'upstream_auth_failed', 'PUBLIC_URL as its issuer'],
  [403, 'error', 'upstream_auth_failed', 'PUBLIC_URL as its issuer'],
  [
    403,
    'error',
    'upstream_auth_failed',
    'forged forms (CSRF) must leave this path out, as in Django',
  ],
  [419, 'info', 'server_refused', 'forged forms (CSRF) must leave this path out'],
  [422, 'info', 'server_refused', ''],
  [431, 'info', 'server_refused', 'raise the limit, or shorten them'],
  [500, 'error', 'upstream_unavailable', 'its own log says why'],
  [302, 'error', 'upstream_invalid_response', 'no redirect is followed'],
])(
  'the log says that the ChatKit server answered %i, where, and what to look at',
  async (status, level, code, advice) => {
    const path = '/wrong?key=planted'
    const { alice, scene, origin } = await startBefore((_request, response) => {
      response.writeHead(status, { location: 'https://elsewhere.example/' }).end()
    }, path)
    const answer = await answerOf(await alice(LIST))
    expect(answer.json()).toMatchObject({ code })
    expect(answer.body).not.toContain(origin)
    const line = scene.lines.find(({ msg }) => msg === 'request')
    expect(line).toMatchObject({ level: { info: 30, warn: 40, error: 50 }[level], code })
    expect(line?.['reason']).toContain(
      `the ChatKit server answered ${status} to POST ${origin}/wrong (workflows.helpdesk.server)`,
    )
    expect(line?.['reason']).toContain(advice)
    expect(line?.['help']).toBe(level === 'info' ? undefined : 'npx chatkit-mint doctor')
    expect(JSON.stringify(line)).not.toMatch(/stack|planted/)
  },
)

test('the log says that nobody listens at the address of a ChatKit server, in one line without a stack', async () => {
  const { alice, scene, origin, stop } = await startBefore(() => {})
  await stop()
  expectProblem(await answerOf(await alice(LIST)), 503, 'upstream_unavailable')
  const line = scene.lines.find(({ msg }) => msg === 'request')
  expect(line?.['reason']).toBe(
    `no connection, or none that answered: POST ${origin}/chatkit (workflows.helpdesk.server): connect ECONNREFUSED ${origin.slice(7)}`,
  )
  expect(line).toMatchObject({ help: 'npx chatkit-mint doctor' })
  expect(line).not.toHaveProperty('err')
})

test.each([
  [301, '/chatkit', '/chatkit/'],
  [302, '/chatkit', '/chatkit/'],
  [307, '/chatkit', '/chatkit/'],
  [308, '/chatkit', '/chatkit/'],
  [307, '/chatkit/', '/chatkit'],
  [307, '/chatkit?v=1', '/chatkit/?v=1'],
])('a %i from %s to %s is followed once, with method and body', async (status, from, to) => {
  const { alice } = await startBefore(({ url, headers }, response) => {
    if (url === to)
      response.writeHead(200, { 'content-type': JSON_TYPE }).end('{"data":[],"has_more":false}')
    else response.writeHead(status, { location: `http://${headers.host}${to}` }).end()
  }, from)
  const answer = await alice(LIST)
  expect(answer.status).toBe(200)
  expect(await answer.json()).toMatchObject({ data: [], has_more: false })
  expect(seen.map(({ url, method }) => [method, url])).toEqual([
    ['POST', from],
    ['POST', to],
  ])
  expect(seen[1]?.body).toBe(seen[0]?.body)
  expect(JSON.parse(seen[0]?.body ?? '')).toMatchObject({ type: 'threads.list' })
  expect(seen[1]?.type).toBe('application/json')
})

test.each([
  [307, 'http://127.0.0.1:9/chatkit/'],
  [307, 'https://evil.example/chatkit/'],
  [307, '//evil.example/chatkit/'],
  [307, '/chatkit//'],
  [307, '/other/'],
  [307, '/chatkit/?x=1'],
  [307, '/chatkit'],
  [307, 'http://['],
  [301, '/other/'],
  [302, 'https://evil.example/chatkit/'],
  [303, '/chatkit/'],
  [307, undefined],
])('a redirect with %i to %s is 502, and nothing more is sent', async (status, location) => {
  const { alice } = await startBefore((_request, response) => {
    response.writeHead(status, location === undefined ? {} : { location }).end()
  })
  expectProblem(await answerOf(await alice(LIST)), 502, 'upstream_invalid_response')
  expect(seen).toHaveLength(1)
})

test('a second redirect is 502', async () => {
  const { alice } = await startBefore(({ url }, response) => {
    response.writeHead(307, { location: url === '/chatkit' ? '/chatkit/' : '/chatkit' }).end()
  })
  expectProblem(await answerOf(await alice(LIST)), 502, 'upstream_invalid_response')
  expect(seen).toHaveLength(2)
})
