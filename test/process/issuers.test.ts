import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type SignInServer, startSignIn } from '../../src/embedded/sign-in/sign-in.ts'
import { USER_AGENT } from '../../src/lib/version.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { signInAs } from '../support/sign-in/sign-in-as.ts'
import { forAllTests } from '../support/started.ts'
import { createSecretSigner } from '../support/tokens.ts'

// The service as a process between real OpenID providers and the embedded ChatKit API.

const KEY = 'sk-proj-process-0123456789abcdef'
const OTHER_KEY = 'sk-proj-general-0123456789uvwxyz'
const SHARED_SECRET = 'a shared secret of at least thirty-two bytes'
const SELF = 'https://self-signed.test'
const ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const

function configFor(issuers: readonly string[]): string {
  const providers = issuers.map(
    (issuer, at) => `
  - { issuer: '${issuer}', audience: [chat-api], algorithms: [${ALGORITHMS[at]}] }`,
  )
  return `
issuers:${providers.join('')}
  - { issuer: ${SELF}, audience: [chat-api], algorithms: [HS256], secret_env: SHARED_SECRET }
user: 'issuer + "|" + claims.sub'
workflows:
  support:
    id: wf_68e5_support
    version: '3'
    when: '"support" in claims.groups'
    input:
      page: { type: string, max_length: 200, required: true }
      seats: { type: number }
      beta: { type: boolean }
    state_variables:
      plan: 'claims.plan'
      page: 'input.page'
      seats: 'has(input.seats) ? input.seats : 0.0'
      beta: 'has(input.beta) ? input.beta : false'
      groups: 'size(claims.groups)'
      from: 'issuer'
    tracing: { enabled: true }
    expires_after: { seconds: 300 }
    rate_limits: { max_requests_per_1_minute: 30 }
    chatkit_configuration:
      automatic_thread_titling: { enabled: false }
      file_upload: { enabled: true, max_file_size: 20, max_files: 3 }
      history: { enabled: true, recent_threads: 5 }
  general:
    id: wf_general
    api_key_env: GENERAL_KEY
`
}

let providers: SignInServer[]

const upstream = forAllTests(() => startWatchedUpstream())
beforeAll(async () => {
  providers = await Promise.all(ALGORITHMS.map((algorithm) => startSignIn({ port: 0, algorithm })))
})
const service = forAllTests(() =>
  startServiceProcess({
    config: configFor(providers.map(({ issuer }) => issuer)),
    env: {
      OPENAI_API_KEY: KEY,
      GENERAL_KEY: OTHER_KEY,
      OPENAI_BASE_URL: upstream.url,
      OPENAI_ORG_ID: 'org-acme',
      OPENAI_PROJECT_ID: 'proj_chat',
      SHARED_SECRET,
    },
  }),
)
beforeEach(() => {
  upstream.api.clearRequests()
  upstream.authorizations.length = 0
})
afterAll(async () => {
  await Promise.all(providers.map((provider) => provider.close()))
})

interface Caller {
  readonly issuer: string
  readonly token: string
}

async function signedIn(algorithm: (typeof ALGORITHMS)[number], name: string): Promise<Caller> {
  const provider = providers[ALGORITHMS.indexOf(algorithm)]
  if (provider === undefined) throw new Error(algorithm)
  const { accessToken } = await signInAs(provider, name)
  return { issuer: provider.issuer, token: accessToken }
}

function selfSigned(sub: string): Caller {
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: SELF, aud: 'chat-api', sub, groups: ['support'], plan: 'pro' }
  const token = createSecretSigner('HS256', SHARED_SECRET).token({ ...claims, exp: now + 300 })
  return { issuer: SELF, token }
}

function mint({ token }: Caller, body?: object): Promise<Response> {
  return fetch(`${service.url}/v1/sessions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
  })
}

const WHO = [...ALGORITHMS, 'HS256'] as const

function callerOf(algorithm: (typeof WHO)[number]): Promise<Caller> | Caller {
  return algorithm === 'HS256' ? selfSigned('alice') : signedIn(algorithm, 'alice')
}

describe.each(WHO)('a token of an issuer that signs %s', (algorithm) => {
  test('the API gets each field as config and claims say', async () => {
    const caller = await callerOf(algorithm)
    const input = { page: '/invoices?"é😀', seats: 2.5, beta: true }
    expect((await mint(caller, { workflow: 'support', input })).status).toBe(200)
    expect(upstream.api.requests()).toHaveLength(1)
    const [request] = upstream.api.requests()
    expect(request).toMatchObject({ method: 'POST', path: '/v1/chatkit/sessions', query: '' })
    expect(request?.body).toEqual({
      user: `${caller.issuer}|alice`,
      workflow: {
        id: 'wf_68e5_support',
        version: '3',
        state_variables: { plan: 'pro', ...input, groups: 1, from: caller.issuer },
        tracing: { enabled: true },
      },
      expires_after: { anchor: 'created_at', seconds: 300 },
      rate_limits: { max_requests_per_1_minute: 30 },
      chatkit_configuration: {
        automatic_thread_titling: { enabled: false },
        file_upload: { enabled: true, max_file_size: 20, max_files: 3 },
        history: { enabled: true, recent_threads: 5 },
      },
    })
  })
})

test('the upstream gets key, beta, organization, project and content type, and nothing of the client', async () => {
  const caller = await signedIn('ES256', 'alice')
  await fetch(`${service.url}/v1/sessions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${caller.token}`,
      'content-type': 'application/json',
      'x-planted': 'by the client',
      cookie: 'session=of the client',
      'user-agent': 'the client',
      'openai-beta': 'of the client',
      'openai-organization': 'org-of-the-client',
      'x-forwarded-for': '198.51.100.7',
    },
    body: JSON.stringify({ input: { page: '/' } }),
  })
  expect(upstream.authorizations).toEqual([`Bearer ${KEY}`])
  const { 'content-length': length, ...headers } = upstream.api.requests()[0]?.headers ?? {}
  expect(Number(length)).toBeGreaterThan(100)
  expect(headers).toEqual({
    host: new URL(upstream.url).host,
    connection: 'keep-alive',
    accept: 'application/json',
    'content-type': 'application/json',
    'openai-beta': 'chatkit_beta=v1',
    'openai-organization': 'org-acme',
    'openai-project': 'proj_chat',
    'user-agent': USER_AGENT,
  })
})

test('a workflow without options sends only what is needed, tracing off, with its own key', async () => {
  const caller = await signedIn('RS256', 'bob')
  expect((await mint(caller)).status).toBe(200)
  expect(upstream.api.requests().map(({ body }) => body)).toEqual([
    { user: `${caller.issuer}|bob`, workflow: { id: 'wf_general', tracing: { enabled: false } } },
  ])
  expect(upstream.authorizations).toEqual([`Bearer ${OTHER_KEY}`])
})

describe('refused, with nothing sent upstream', () => {
  test('the ID token instead of the access token', async () => {
    const [provider] = providers
    if (provider === undefined) throw new Error('no provider')
    const { idToken } = await signInAs(provider, 'alice')
    const response = await mint({ issuer: provider.issuer, token: idToken })
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({ code: 'invalid_token' })
    expect(upstream.api.requests()).toEqual([])
  })

  test('a provider at the same address whose keys are others', async () => {
    const [provider] = providers
    if (provider === undefined) throw new Error('no provider')
    const impostor = await startSignIn({ port: 0, algorithm: 'RS256' })
    const { accessToken } = await signInAs(impostor, 'alice')
    await impostor.close()
    const [header, payload, signature] = accessToken.split('.')
    const claims = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString())
    const forged = Buffer.from(JSON.stringify({ ...claims, iss: provider.issuer }))
    const token = `${header}.${forged.toString('base64url')}.${signature}`
    expect((await mint({ issuer: provider.issuer, token })).status).toBe(401)
    expect((await mint({ issuer: impostor.issuer, token: accessToken })).status).toBe(401)
    expect(upstream.api.requests()).toEqual([])
  })
})
