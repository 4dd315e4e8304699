import { beforeEach, expect, test } from 'vitest'
import { secretOf } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { ask } from '../support/chatkit/server-client.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { APP_ORIGIN, startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

const FRAME = 'https://cdn.platform.openai.com'

const sample = forAllTests(() => startSampleServer())
const running = forAllTests(() => {
  const config = selfHostedConfig({ server: sample.url })
  const withCookie = config.replace('algorithms: [HS256]', '$&\n    cookie: __session')
  return startService({ config: withCookie, env: { PUBLIC_URL } })
})
beforeEach(() => sample.server.clearRequests())

const preflight = async (path: string, origin: string) =>
  answerOf(
    await fetch(`${running.url}${path}`, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization,chatkit-frame-instance-id,content-type',
      },
    }),
  )

test.each([
  [FRAME, undefined],
  [APP_ORIGIN, 'true'],
])(
  'a preflight of ChatKit’s frame from %s passes, with credentials: %s',
  async (origin, credentials) => {
    const { status, headers } = await preflight('/chatkit/helpdesk', origin)
    expect(status).toBe(204)
    expect(headers['access-control-allow-origin']).toBe(origin)
    expect(headers['access-control-allow-credentials']).toBe(credentials)
    expect(headers['access-control-allow-methods']?.split(', ')).toContain('POST')
    const allowed = headers['access-control-allow-headers']?.toLowerCase().split(', ')
    expect(allowed).toEqual(
      expect.arrayContaining(['authorization', 'content-type', 'chatkit-frame-instance-id']),
    )
    expect(headers['vary']).toBe('Origin')
  },
)

test('ChatKit’s frame gets no credentials though the config lists its origin too', async () => {
  const config = selfHostedConfig({ server: sample.url })
    .replace('algorithms: [HS256]', '$&\n    cookie: __session')
    .replace(APP_ORIGIN, FRAME)
  const listing = await startService({ config, env: { PUBLIC_URL } })
  try {
    const headers = { origin: FRAME }
    const answer = await fetch(`${listing.url}/livez`, { headers })
    expect(answer.headers.get('access-control-allow-origin')).toBe(FRAME)
    expect(answer.headers.has('access-control-allow-credentials')).toBe(false)
  } finally {
    await listing.close()
  }
})

test.each([FRAME, APP_ORIGIN])(
  'a request of ChatKit’s frame from %s passes, and the server does not see its own header',
  async (origin) => {
    const secret = await secretOf(running)
    const headers = { authorization: `Bearer ${secret}`, origin, 'chatkit-frame-instance-id': 'f1' }
    const answer = await ask(`${running.url}/chatkit/helpdesk`, ['threads.list'], { headers })
    expect(answer.status).toBe(200)
    expect(answer.headers.get('access-control-allow-origin')).toBe(origin)
    expect(sample.server.requests()).toHaveLength(1)
  },
)

test.each([
  ['OPTIONS', '/v1/sessions'],
  ['OPTIONS', '/v1/threads'],
  ['OPTIONS', '/client.js'],
  ['POST', '/v1/sessions'],
  ['GET', '/chatkit'],
])('ChatKit’s frame may not call %s %s', async (method, path) => {
  const response = await fetch(`${running.url}${path}`, { method, headers: { origin: FRAME } })
  const answer = await answerOf(response)
  if (answer.status !== 404) expectProblem(answer, 403, 'origin_not_allowed')
  expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
})

test.each([`${FRAME}.evil`, `${FRAME}:8443`, 'http://cdn.platform.openai.com', 'null'])(
  'the gateway refuses the origin %s, and the server sees nothing',
  async (origin) => {
    const secret = await secretOf(running)
    expectProblem(await preflight('/chatkit/helpdesk', origin), 403, 'origin_not_allowed')
    const headers = { authorization: `Bearer ${secret}`, origin }
    const asked = await ask(`${running.url}/chatkit/helpdesk`, ['threads.list'], { headers })
    expectProblem(await answerOf(asked), 403, 'origin_not_allowed')
    expect(sample.server.requests()).toEqual([])
  },
)
