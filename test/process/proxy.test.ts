import { beforeAll, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { USER_AGENT } from '../../src/lib/version.ts'
import { cli } from '../commands/cli/run-cli.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { startKeyServer } from '../support/key-server.ts'
import { CREDENTIALS, startProxy } from '../support/network/proxy.ts'
import { makeCertificates } from '../support/registry/certificates.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { forAllTests } from '../support/started.ts'
import { createSigner } from '../support/tokens.ts'

// Issuer, API and servers can be reached only through a proxy: no DNS knows their names, and an authority of this
// test made their certificates.

const ISSUER = 'https://issuer.corp.test'
const PUBLIC_URL = 'https://chat.corp.test'
const KEY = 'sk-test-behind-a-proxy-0123456789'
const PASSWORD = CREDENTIALS.split(':')[1] ?? ''

const CONFIG = `
issuers: [{ issuer: '${ISSUER}', audience: [chat-api], algorithms: [ES256] }]
user: claims.sub
workflows:
  support: { id: wf_support }
  helpdesk: { server: 'http://helpdesk.corp.test/chatkit' }
  secure: { server: 'https://secure.corp.test/chatkit' }
admins: { when: 'claims.sub == "ada"' }
console: { issuer: '${ISSUER}', client_id: console, client_secret_env: CONSOLE_CLIENT_SECRET }
`

const signer = createSigner('ES256')
const issuer = forAllTests(() => startKeyServer([signer.publicJwk]))
const api = forAllTests(() => startChatKitApi({ port: 0 }))
const helpdesk = forAllTests(() => startSampleServer())
const scene = forAllTests(async () => {
  const certificates = makeCertificates('DNS:*.corp.test,IP:127.0.0.1')
  const behind = { url: '' }
  const hosts = {
    'issuer.corp.test': () => issuer.issuer,
    'api.corp.test': () => api.origin,
    'helpdesk.corp.test': () => helpdesk.origin,
    'secure.corp.test': () => helpdesk.origin,
    'chat.corp.test': () => behind.url,
  }
  const proxy = await startProxy(hosts, certificates.server)
  const env = {
    HTTPS_PROXY: proxy.urlWithCredentials,
    http_proxy: proxy.urlWithCredentials,
    NODE_EXTRA_CA_CERTS: certificates.authority,
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: 'https://api.corp.test/v1',
    CONSOLE_CLIENT_SECRET: 'a-client-secret-planted-for-the-console',
    PUBLIC_URL,
  }
  const service = await startServiceProcess({ config: CONFIG, env })
  behind.url = service.url
  return {
    ...{ proxy, env, service },
    async close() {
      await service.close()
      proxy.close()
    },
  }
})

beforeAll(() => {
  const endpoint = (name: string) => `${ISSUER}/${name}`
  issuer.discovery = { authorization_endpoint: endpoint('auth'), token_endpoint: endpoint('token') }
})

function tokenOf(sub: string): string {
  const now = Math.floor(Date.now() / 1000)
  return signer.token({ iss: ISSUER, aud: 'chat-api', sub, iat: now, exp: now + 600 })
}

async function secretFor(workflow: string): Promise<string> {
  const response = await fetch(`${scene.service.url}/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenOf('alice')}`, 'content-type': 'application/json' },
    body: JSON.stringify({ workflow }),
  })
  const answer = await response.text()
  if (response.status !== 200) throw new Error(`not minted: ${answer}`)
  return JSON.parse(answer).client_secret
}

test('a mint fetches the issuer’s keys and calls the API through tunnels', async () => {
  expect(await secretFor('support')).toMatch(/^ek_/)
  expect(scene.proxy.asked).toEqual(
    expect.arrayContaining(['CONNECT issuer.corp.test:443', 'CONNECT api.corp.test:443']),
  )
  expect(api.api.requests().at(-1)).toMatchObject({ path: '/v1/chatkit/sessions', status: 200 })
})

describe.each([
  ['helpdesk', 'plain http in absolute form', 'POST http://helpdesk.corp.test/chatkit'],
  ['secure', 'https through a tunnel', 'CONNECT secure.corp.test:443'],
])('the server of %s is asked by %s', (workflow, _way, line) => {
  test('for streams, for uploads and for downloads', async () => {
    const gateway = `${scene.service.url}/chatkit/${workflow}`
    const alice = asAt(gateway, { secret: await secretFor(workflow) })
    const { id: thread_id } = await createThread(alice, 'over the proxy')
    const params = { name: 'a.png', size: 3, mime_type: 'image/png' }
    const made = await (await alice(['attachments.create', params])).json()
    const { id, upload_url } = made as { id: string; upload_url: string }
    const headers = { 'content-type': 'image/png' }
    const upload = upload_url.replace(PUBLIC_URL, scene.service.url)
    expect((await fetch(upload, { method: 'PUT', headers, body: 'abc' })).status).toBe(204)
    const image = { id: 'img_1', url: `${helpdesk.origin}/upload/${id}` }
    const item = { id: 'i', thread_id, created_at: 1, type: 'generated_image', image }
    helpdesk.server.setFaults({ status: 200, body: { data: [item], has_more: false }, times: 1 })
    const page = await (await alice(['items.list', { thread_id }])).json()
    const [shown] = (page as { data: { image: { url: string } }[] }).data
    const link = shown?.image.url.replace(PUBLIC_URL, scene.service.url) ?? ''
    expect(await (await fetch(link)).text()).toBe('abc')
    const lines = scene.proxy.arrived
      .filter(({ origin }) => origin.endsWith(`${workflow}.corp.test`))
      .map((arrived) => arrived.line)
    expect(lines).toEqual(
      expect.arrayContaining(['POST /chatkit', `PUT /upload/${id}`, `GET /upload/${id}`]),
    )
    expect(scene.proxy.asked).toContain(line)
  })
})

test('the console’s provider is asked through the proxy, for discovery and for tokens', async () => {
  const before = scene.proxy.arrived.length
  const options = { redirect: 'manual' } as const
  const begun = await fetch(`${scene.service.url}/admin/sign-in`, options)
  const { origin, searchParams } = new URL(begun.headers.get('location') ?? '')
  expect(origin).toBe(ISSUER)
  const query = new URLSearchParams({ code: 'c', state: searchParams.get('state') ?? '' })
  const cookie = begun.headers.getSetCookie().map((line) => line.split(';')[0])
  const headers = { cookie: cookie.join('; ') }
  await fetch(`${scene.service.url}/admin/callback?${query}`, { ...options, headers })
  expect(scene.proxy.arrived.slice(before).map(({ line }) => line)).toEqual(
    expect.arrayContaining(['GET /.well-known/openid-configuration', 'POST /token']),
  )
})

test('the log says which proxy is in use and who can read along, and never the password', () => {
  const { url } = scene.proxy
  const log = scene.service.log()
  expect(log.find(({ msg }) => msg === 'starting')).toMatchObject({
    proxies: { https: url, http: url },
  })
  const warned = log.filter(({ msg }) => String(msg).startsWith('proxy: '))
  expect(warned.map(({ level, msg }) => [level, msg])).toEqual([
    [
      40,
      expect.stringContaining(`workflow helpdesk: ${url} can read what goes to http://helpdesk`),
    ],
  ])
  expect(scene.service.stdout() + scene.service.stderr()).not.toContain(PASSWORD)
})

describe('the command line goes the same way', () => {
  test.each<[string, string[], string]>([
    ['this service', ['sessions', 'list', '--json'], 'GET /v1/admin/sessions'],
    ['this service, as a stream', ['users', 'export', 'alice'], 'GET /v1/admin/users/alice/export'],
  ])('to %s', async (_name, words, line) => {
    const variables = { CHATKIT_MINT_URL: PUBLIC_URL, CHATKIT_MINT_TOKEN: tokenOf('ada') }
    const { code, err } = await cli(words, { env: { ...scene.env, ...variables } })
    expect({ code, err }).toEqual({ code: 0, err: expect.not.stringContaining(PASSWORD) })
    const [arrived] = scene.proxy.arrived.filter(({ origin }) => origin === PUBLIC_URL).slice(-1)
    expect(arrived?.line).toContain(line)
  })

  test('to the API, also where the proxy itself is reached by TLS', async () => {
    const env = { ...scene.env, HTTPS_PROXY: scene.proxy.secureUrlWithCredentials }
    const { code, err } = await cli(['threads', 'list', '--json'], { env })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(scene.proxy.arrived.at(-1)?.line).toMatch(/^GET \/v1\/chatkit\/threads/)
  })

  test('to the issuer of a token', async () => {
    const before = scene.proxy.arrived.length
    const env = { ...scene.env, CONFIG_FILE: `${scene.service.directory}/config.yaml` }
    const { code } = await cli(['jwt', 'explain'], { env, input: tokenOf('alice') })
    expect(code).toBe(0)
    expect(scene.proxy.arrived.slice(before).map(({ origin }) => origin)).toContain(ISSUER)
  })
})

test('every call names the service, to the proxy and behind it', () => {
  expect([...scene.proxy.agents]).toEqual([USER_AGENT])
  expect(new Set(scene.proxy.arrived.map(({ userAgent }) => userAgent))).toEqual(
    new Set([USER_AGENT]),
  )
})
