import { createServer, type IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'
import { beforeEach, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/file/load-config.ts'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { secretOf } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { ask, input } from '../support/chatkit/server-client.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { APP_ORIGIN, startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

let seen: IncomingHttpHeaders = {}
let status = 200
let run = 'run_1'
beforeEach(() => {
  status = 200
  run = 'run_1'
})

/** Streams or answers JSON, always with headers of its own. */
async function startServer() {
  const server = createServer(async (request, response) => {
    seen = request.headers
    const { type } = JSON.parse(await text(request))
    const own = { 'x-chatkit-run-id': run, 'x-steps': ['1', '2'], 'x-internal': 'planted' }
    if (status !== 200) {
      response.writeHead(status, own).end()
    } else if (type === 'threads.create') {
      response.writeHead(200, { ...own, 'content-type': 'text/event-stream' })
      response.end(Buffer.from('data: {"type":"progress_update","text":"hi"}\n\n'))
    } else {
      response.writeHead(200, { ...own, 'content-type': 'application/json' })
      response.end(Buffer.from('{"data":[],"has_more":false}'))
    }
  })
  const { origin } = await listenOnLoopback(server)
  const url = `${origin}/chatkit`
  return { url, close: async () => void server.close() }
}

const server = forAllTests(startServer)
const WORKFLOW = `    forward_headers: [Article-Id, x-tenant]
    expose_headers: [X-ChatKit-Run-Id, x-steps, x-never-sent]
`
const running = forAllTests(() =>
  startService({
    config: selfHostedConfig({ server: server.url, workflow: WORKFLOW }),
    env: { PUBLIC_URL },
  }),
)

async function askAs(type: string, params: unknown, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${await secretOf(running)}`
  const url = `${running.url}/chatkit/helpdesk`
  return ask(url, [type, params], { headers: { authorization, origin: APP_ORIGIN, ...headers } })
}

test.each([
  ['threads.list', {}],
  ['threads.create', { input: input('hi') }],
])(
  'headers that the config names go on to the server with %s, and no others',
  async (type, params) => {
    const page = {
      'article-id': 'art_1',
      'x-tenant': 'acme',
      'x-other': 'planted',
      'chatkit-frame-instance-id': 'planted',
      'x-chatkit-user': 'planted',
      'x-chatkit-session': 'planted',
      cookie: 'a=planted',
      'x-forwarded-for': '10.0.0.1',
    }
    expect((await askAs(type, params, page)).status).toBe(200)
    expect(seen).toMatchObject({
      'article-id': 'art_1',
      'x-tenant': 'acme',
      'x-chatkit-user': 'alice',
    })
    expect(JSON.stringify(seen)).not.toContain('planted')
    expect(seen).not.toHaveProperty('x-forwarded-for')
    await askAs(type, params)
    expect(seen).not.toHaveProperty('article-id')
  },
)

test.each([
  [200, 'threads.list', {}],
  [200, 'threads.create', { input: input('hi') }],
  [400, 'threads.list', {}],
])(
  'headers of a server’s %i that the config names reach the page with %s, and no others',
  async (code, type, params) => {
    status = code
    const { headers, ...answer } = await askAs(type, params).then(({ status, headers }) => ({
      status,
      headers,
    }))
    expect(answer.status).toBe(code)
    expect(headers.get('x-chatkit-run-id')).toBe('run_1')
    expect(headers.get('x-steps')).toBe('1, 2')
    expect(headers.has('x-never-sent')).toBe(false)
    expect(headers.has('x-internal')).toBe(false)
    expect(headers.get('access-control-expose-headers')?.split(', ')).toEqual([
      ...['Retry-After', 'RateLimit', 'RateLimit-Policy', 'X-Request-Id'],
      ...['x-chatkit-run-id', 'x-steps'],
    ])
  },
)

test.each([
  [200, 'threads.list', {}],
  [200, 'threads.create', { input: input('hi') }],
  [400, 'threads.list', {}],
])(
  'bytes beyond ASCII in a header stay as they are, both ways, with a server’s %i of %s',
  async (code, type, params) => {
    status = code
    run = 'caf\xe9 \xe2\x82\xac'
    const body = JSON.stringify({ type, params, metadata: {} })
    const authorization = `authorization: Bearer ${await secretOf(running)}`
    const tenant = `x-tenant: ${run}`
    const headers = [authorization, 'content-type: application/json', 'connection: close', tenant]
    const connection = await openRaw(running.url)
    connection.send(rawRequest('POST /chatkit/helpdesk', { headers, body }))
    await connection.closed
    expect(connection.rest()).toMatch(new RegExp(`^x-chatkit-run-id: ${run}\r$`, 'im'))
    expect(seen['x-tenant']).toBe(run)
  },
)

test('headers of a server’s answer reach a client without Origin too, which no browser holds back', async () => {
  const authorization = `Bearer ${await secretOf(running)}`
  const url = `${running.url}/chatkit/helpdesk`
  const { status, headers } = await ask(url, ['threads.list', {}], { headers: { authorization } })
  expect([status, headers.get('x-chatkit-run-id')]).toEqual([200, 'run_1'])
  expect(headers.has('access-control-expose-headers')).toBe(false)
})

const load = (workflow: string, more = '') =>
  loadConfig(selfHostedConfig({ server: 'http://a.internal/chatkit', workflow, more }), {
    file: 'c.yaml',
  })

test.each([
  ...'authorization Cookie host origin content-type Content-Anything sec-fetch-site'.split(' '),
  ...'proxy-authorization connection keep-alive te trailer transfer-encoding upgrade'.split(' '),
  ...'forwarded X-Forwarded-For x-forwarded-host x-real-ip via X-ChatKit-User'.split(' '),
  ...'x-cluster-client-ip X-Azure-ClientIP fastly-client-ip x-envoy-external-address'.split(' '),
  ...'x-request-id accept-encoding x:y'.split(' '),
  'not a name',
  '',
])('forward_headers may not name "%s"', (name) => {
  expect(() => load(`    forward_headers: ['x-ok', '${name}']\n`)).toThrow(/forward_headers/)
})

test.each([
  ...'set-cookie Access-Control-Allow-Origin content-length content-security-policy'.split(' '),
  ...'cache-control Location refresh link clear-site-data strict-transport-security'.split(' '),
  ...'Accept-CH set-login speculation-rules attribution-reporting-register-source'.split(' '),
  ...'www-authenticate service-worker-allowed connection transfer-encoding upgrade'.split(' '),
  ...'x-request-id X-Content-Type-Options vary retry-after ratelimit'.split(' '),
  'not a name',
  '',
])('expose_headers may not name "%s"', (name) => {
  expect(() => load(`    expose_headers: ['x-ok', '${name}']\n`)).toThrow(/expose_headers/)
})

test.each(['forward_headers', 'expose_headers'])('%s takes at most 20 names', (key) => {
  const names = (count: number) => Array.from({ length: count }, (_, at) => `x-${at}`).join(', ')
  expect(() => load(`    ${key}: [${names(20)}]\n`)).not.toThrow()
  expect(() => load(`    ${key}: [${names(21)}]\n`)).toThrow(key)
})

test.each(['forward_headers', 'expose_headers'])('a hosted workflow has no %s', (key) => {
  const hosted = `  other:\n    id: wf_other\n    ${key}: [x-a]\n`
  expect(() => load(hosted)).toThrow(/only for workflows with `server`/)
})
