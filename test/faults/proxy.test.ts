import { request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFetchJson } from '../../src/authenticate/keys/fetch-json.ts'
import { createOpenAi } from '../../src/chatkit/hosted/openai.ts'
import { readEnvironment } from '../../src/config/env.ts'
import { connectTo, connectToAny } from '../../src/lib/connections.ts'
import { Secret } from '../../src/lib/secret.ts'
import { asAt } from '../gateway/scene.ts'
import { secretOf } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { proxyPage, startFaultyProxy } from '../support/network/faulty-proxy.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { type Running, startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Every kind of call through a proxy that refuses, answers itself, hangs or breaks off.

const PASSWORD = 'planted-password'
const proxy = forAllTests(startFaultyProxy)

let service: Running
beforeEach(async () => {
  proxy.reset()
  const address = `http://mint:${PASSWORD}@127.0.0.1:${proxy.port}`
  service = await startService({
    config: selfHostedConfig({ server: 'http://helpdesk.test/chatkit' }),
    env: {
      HTTPS_PROXY: address,
      HTTP_PROXY: address,
      OPENAI_BASE_URL: 'https://api.test/v1',
      PUBLIC_URL,
    },
  })
})
afterEach(async () => {
  await service.close()
  expect(service.logText()).not.toContain(PASSWORD)
  expect(service.logText()).not.toContain('administrator')
})

const mintHosted = () =>
  service.mint(undefined, {
    body: JSON.stringify({ workflow: 'support' }),
    headers: { 'content-type': 'application/json' },
  })

const REFUSALS: readonly [string, string][] = [
  ['asks for a password (407)', proxyPage('407 Proxy Authentication Required')],
  ['refuses the way (403, with a page)', proxyPage('403 Forbidden')],
  ['cannot go on (502)', proxyPage('502 Bad Gateway')],
  ['hangs up', ''],
  ['opens a tunnel and puts a page into it', `HTTP/1.1 200 OK\r\n\r\n${proxyPage('200 OK')}`],
]

describe.each(REFUSALS)('a proxy that %s', (_name, answer) => {
  beforeEach(() => {
    proxy.answer = answer
  })

  test('makes a mint 503, and is asked for a tunnel to nothing but the API', async () => {
    expectProblem(await answerOf(await mintHosted()), 503, 'upstream_unavailable')
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT api.test:443 HTTP']))
  })

  test('makes an issuer unavailable', async () => {
    const { proxies } = readEnvironment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
    const dispatcher = connectToAny(proxies.proxyFor, { connections: 4 })
    const fetchJson = createFetchJson({ dispatcher, insecureHttp: false })
    await expect(fetchJson(new URL('https://issuer.test/jwks.json'))).rejects.toMatchObject({
      code: 'idp_unavailable',
    })
    await dispatcher.destroy()
  })
})

test.each([
  ['asks for a password (407)', proxyPage('407 Proxy Authentication Required'), 503],
  ['answers a page for the server (200)', proxyPage('200 OK'), 502],
  ['refuses with a page (403)', proxyPage('403 Forbidden'), 502],
  ['cannot go on (502)', proxyPage('502 Bad Gateway'), 503],
  ['hangs up', '', 503],
  ['leads elsewhere (302)', proxyPage('302 Found', 'location: https://login.corp.test/\r\n'), 502],
])(
  'a proxy that %s on plain http makes a call of the gateway fail',
  async (_name, answer, status) => {
    const alice = asAt(`${service.url}/chatkit/helpdesk`, { secret: await secretOf(service) })
    proxy.answer = answer
    const response = await alice(['threads.list', {}])
    expect(response.status).toBe(status)
    expect(await response.text()).not.toContain('administrator')
    expect(proxy.asked[0]).toBe('POST http://helpdesk.test/chatkit HTTP')
  },
)

test('a proxy that never answers costs a call its deadline, and the next one is tried', async () => {
  proxy.answer = undefined
  const { proxies } = readEnvironment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
  const dispatcher = connectTo('https://api.test', proxies.proxyFor, 8)
  const api = createOpenAi({
    baseUrl: 'https://api.test/v1',
    apiKey: () => new Secret('sk-test'),
    dispatcherFor: () => dispatcher,
  })
  const params = { user: 'alice', workflow: { id: 'wf_1' } }
  const create = () => api.createSession(params, { withinMs: 200 })
  await expect(create()).rejects.toMatchObject({ code: 'upstream_timeout' })
  proxy.answer = ''
  await expect(create()).rejects.toMatchObject({ code: 'upstream_unavailable' })
  await dispatcher.destroy()
})

test('a proxy that never answers costs the keys of an issuer their deadline, and not the tunnel’s', async () => {
  proxy.answer = undefined
  const { proxies } = readEnvironment({ HTTPS_PROXY: `http://127.0.0.1:${proxy.port}` })
  const dispatcher = connectToAny(proxies.proxyFor, { connections: 4 })
  const url = new URL('https://issuer.test/jwks.json')
  const tunnel = request(url, { dispatcher }).catch(() => 'the tunnel')
  const keys = createFetchJson({ dispatcher, insecureHttp: false, deadlineMs: 100 })(url).catch(
    (error) => error.code,
  )
  expect(await Promise.race([tunnel, keys])).toBe('idp_unavailable')
  await dispatcher.destroy()
})

test('hosts that NO_PROXY names are asked directly: the proxy sees nothing', async () => {
  const { proxies } = readEnvironment({
    HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`,
    NO_PROXY: 'issuer.test',
  })
  const dispatcher = connectToAny(proxies.proxyFor, { connections: 4 })
  const fetchJson = createFetchJson({ dispatcher, insecureHttp: false })
  await expect(fetchJson(new URL('https://keys.issuer.test/'))).rejects.toMatchObject({
    reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
  })
  expect(proxy.asked).toEqual([])
  await dispatcher.destroy()
})
