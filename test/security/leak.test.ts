import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { readSetup, SetupError } from '../../src/config/setup.ts'
import { scrub } from '../../src/lib/secret.ts'
import { type Instead, startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { leaksIn, type Planted } from '../support/leaks.ts'
import { freePort } from '../support/network/listen.ts'
import { openRaw } from '../support/raw-http.ts'
import { APP_ORIGIN, claimsOf } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runToEnd, startServiceProcess } from '../support/service-process.ts'
import { CRASH_ON_SIGNAL } from '../support/spies.ts'
import { forAllTests } from '../support/started.ts'
import { createSecretSigner, handMade } from '../support/tokens.ts'

// Invariant 5: no answer, no log line and no metric has an API key, a client secret or a user token in it,
// whatever goes wrong. The service runs as a process with LOG_LEVEL=trace.

const KEY = `sk-proj-${randomBytes(24).toString('base64url')}`
const SHARED_SECRET = randomBytes(32).toString('base64url')
/** Upstream faults have it in their answers, and clients send it in the wrong fields. */
const CLIENT_SECRET = `ek_${randomBytes(24).toString('base64url')}`
/** A backend's key, and one that nobody has. */
const BACKEND_KEY = `sk-mint-${randomBytes(32).toString('base64url')}`
const GUESSED_KEY = `sk-mint-${randomBytes(32).toString('base64url')}`
const SUBJECT = 'planted-subject-7f3a91'
const signer = createSecretSigner('HS256', SHARED_SECRET)
const OTHER = createSecretSigner('HS256', 'x'.repeat(32))
const TOKEN = signer.token(claimsOf({ sub: SUBJECT }))

const CONFIG = `
issuers:
  - issuer: https://issuer.test
    audience: [chat-api]
    algorithms: [HS256]
    secret_env: TEST_SHARED_SECRET
    cookie: __session
    token_header: X-App-Token
user: claims.sub
workflows:
  support:
    id: wf_support
    input: { page: { type: string, max_length: 20 } }
    state_variables: { page: 'has(input.page) ? input.page : ""' }
  helpdesk: { server: 'http://127.0.0.1:9/chatkit' }
api_keys:
  - { id: billing, sha256: 'sha256:${createHash('sha256').update(BACKEND_KEY).digest('hex')}' }
cors: { origins: ['${APP_ORIGIN}'] }
limits:
  mints_per_user: { max: 10000, seconds: 60 }
  failed_auth_per_ip: { max: 10000, seconds: 60 }
`

const planted: Planted[] = [
  { what: 'API key', value: KEY },
  { what: 'shared secret', value: SHARED_SECRET },
  { what: 'client secret', value: CLIENT_SECRET },
  { what: 'token', value: TOKEN },
  { what: "backend's key", value: BACKEND_KEY },
  { what: 'guessed key', value: GUESSED_KEY },
]
/** Status line, headers and body of everything that was answered. */
const answers: string[] = []

let metricsPort: number

function environment(): Record<string, string> {
  return {
    OPENAI_API_KEY: KEY,
    OPENAI_BASE_URL: upstream.url,
    OPENAI_ORG_ID: 'org-acme',
    PUBLIC_URL: 'https://chat.acme.example',
    METRICS_PORT: String(metricsPort),
    TEST_SHARED_SECRET: SHARED_SECRET,
    LOG_LEVEL: 'trace',
    STORE_URL: `sqlite:${join(directory, 'mint.db')}`,
    CRASH_WITH: JSON.stringify([`failed for\n${TOKEN}\t${KEY}`, CLIENT_SECRET]),
  }
}

const directory = scratchFolder()
const upstream = forAllTests(() => startWatchedUpstream())
const service = forAllTests(async () => {
  metricsPort = await freePort()
  const nodeArguments = ['--import', CRASH_ON_SIGNAL]
  return startServiceProcess({ config: CONFIG, env: environment(), nodeArguments })
})

function plant(what: string, value: string): string {
  if (!planted.some((one) => one.value === value)) planted.push({ what, value })
  return value
}

let tokens = 0

/** A good token of a user of its own, planted. */
function newToken(changes: Readonly<Record<string, unknown>> = {}): string {
  const sub = `${SUBJECT}-${tokens++}`
  return plant(`token of ${sub}`, signer.token(claimsOf({ sub, ...changes })))
}

interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

const CREATES = ['POST /v1/sessions', 'POST /v1/chatkit/sessions']

/** Sends as `POST /v1/sessions` unless said otherwise, keeps the answer, and gives its status. */
async function send({ method = 'POST', path = '/v1/sessions', headers, body }: Sent) {
  const response = await fetch(`${service.url}${path}`, {
    method,
    ...(headers && { headers }),
    ...(body !== undefined && { body }),
    redirect: 'manual',
  })
  const text = await response.text()
  // The one place where a client secret belongs.
  const isCreate = response.status === 200 && CREATES.includes(`${method} ${path}`)
  const shown = isCreate ? text.replace(/"client_secret":"[^"]+"/, '') : text
  answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${shown}`)
  return { status: response.status, text }
}

function mint(body?: string, more: Readonly<Record<string, string>> = {}) {
  const headers = { authorization: `Bearer ${newToken()}`, ...more }
  if (body === undefined) return send({ headers })
  return send({ headers: { 'content-type': 'application/json', ...headers }, body })
}

async function sendRaw(bytes: string): Promise<number> {
  const connection = await openRaw(service.url)
  connection.send(bytes)
  const answer = await connection.next()
  connection.destroy()
  answers.push(`${answer.status} ${JSON.stringify(answer.headers)} ${answer.body}`)
  return answer.status
}

describe('the search itself', () => {
  const secret: Planted = { what: 'it', value: 'ek_0123456789abcdefghij' }
  const base64 = (prefix: string) =>
    Buffer.from(`${prefix}${secret.value} and more`).toString('base64')

  test.each([
    ['text', `a ${secret.value} b`],
    ['text', 'the tail …cdefghij alone'],
    ['base64', base64('')],
    ['base64', base64('x')],
    ['base64', base64('xy')],
    ['hex', Buffer.from(`a ${secret.value}`).toString('hex')],
  ])('finds a secret as %s in %s', (form, text) => {
    expect(leaksIn(text, [secret])).toContain(`it as ${form}`)
  })

  test('finds a token by its signature, and percent-encoded texts', () => {
    const [, , signature = ''] = TOKEN.split('.')
    expect(leaksIn(`… ${signature.slice(5, 20)} …`, [{ what: 'token', value: TOKEN }])).toEqual([
      'token as text',
    ])
    const odd = { what: 'key', value: 'a/b+c d' }
    expect(leaksIn('?key=a%2Fb%2Bc%20d', [odd])).toEqual(['key as percent-encoded'])
  })

  test('finds nothing where there is nothing', () => {
    expect(leaksIn('the key ends in …ghij', [secret])).toEqual([])
  })
})

describe('tokens', () => {
  const now = Math.floor(Date.now() / 1000)
  const bad: [string, () => string][] = [
    ['expired', () => newToken({ exp: now - 3600 })],
    ['not valid yet', () => newToken({ nbf: now + 3600 })],
    ['of another audience', () => newToken({ aud: KEY })],
    ['of another issuer', () => newToken({ iss: `https://${CLIENT_SECRET}` })],
    ['without sub', () => newToken({ sub: undefined })],
    ['whose sub is a number', () => newToken({ sub: 12 })],
    ['whose sub holds a key and NUL', () => newToken({ sub: `${KEY}\0` })],
    ['whose exp is text', () => newToken({ exp: CLIENT_SECRET })],
    ['signed with another secret', () => OTHER.token(claimsOf())],
    ['with a typ that is a secret', () => signer.token(claimsOf(), { typ: CLIENT_SECRET })],
    ['with an alg that is a secret', () => signer.token(claimsOf(), { alg: CLIENT_SECRET })],
    ['with alg none', () => handMade({ alg: 'none' }, claimsOf(), '' as never)],
    ['with crit', () => signer.token(claimsOf(), { crit: [KEY] })],
    ['with a repeated claim', () => signer.token(`{"sub":"${KEY}","sub":"${KEY}"}`)],
    ['whose payload is no JSON', () => signer.token(`{"key":"${KEY}`)],
    ['of nine kilobytes', () => signer.token(claimsOf({ more: CLIENT_SECRET.repeat(300) }))],
    ['cut short', () => TOKEN.slice(0, -3)],
    ['in five parts', () => `${TOKEN}.${TOKEN}`],
    ['that is an API key', () => KEY],
    ['that is a client secret', () => CLIENT_SECRET],
    ['that is the shared secret', () => SHARED_SECRET],
  ]

  test.each(bad)('one %s', async (what, make) => {
    const token = plant(`token ${what}`, make())
    expect((await send({ headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
  })

  test('in the wrong place: Basic, query, path, body, cookie of no origin', async () => {
    const token = newToken()
    const json = { 'content-type': 'application/json' }
    const sent: [Sent, number][] = [
      [{ headers: { authorization: `Basic ${btoa(`a:${token}`)}` } }, 401],
      [{ path: `/v1/sessions?access_token=${token}` }, 401],
      [{ path: `/v1/sessions/${token}` }, 404],
      [{ path: `/v1/${CLIENT_SECRET}?key=${KEY}`, method: 'GET' }, 404],
      [{ headers: json, body: JSON.stringify({ access_token: token }) }, 401],
      [{ headers: { cookie: `__session=${token}` } }, 401],
      [{ headers: { cookie: `__session=${token}; __session=${token}`, origin: APP_ORIGIN } }, 400],
      [{ headers: { authorization: `Bearer ${token} ${token}` } }, 401],
      [{ headers: { 'x-app-token': `Bearer ${token}` } }, 401],
      [{ headers: { 'x-app-token': token, 'sec-fetch-site': 'cross-site' } }, 401],
    ]
    for (const [request, status] of sent) {
      expect({ request, status: (await send(request)).status }).toEqual({ request, status })
    }
  })

  test('in a cookie or a header that counts', async () => {
    const headers = { cookie: `__session=${newToken()}`, origin: APP_ORIGIN }
    expect((await send({ headers })).status).toBe(200)
    expect((await send({ headers: { 'x-app-token': newToken() } })).status).toBe(200)
  })
})

describe('requests that are not HTTP as it should be', () => {
  const line = 'POST /v1/sessions HTTP/1.1\r\nHost: a\r\n'
  const authorization = `Authorization: Bearer ${TOKEN}\r\n`

  test.each([
    ['two Authorization headers', `${line}${authorization}${authorization}\r\n`, 400],
    ['NUL in a header', `${line}X-Key: ${KEY}\0\r\n${authorization}\r\n`, 400],
    ['headers that are too large', `${line}${authorization.repeat(80)}\r\n`, 431],
    ['a token for a method', `${TOKEN} / HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
    ['a secret for a Host', `GET /livez HTTP/1.1\r\nHost: ${CLIENT_SECRET}@${KEY}\r\n\r\n`, 400],
    ['a secret for a target', `GET ${CLIENT_SECRET} HTTP/1.1\r\nHost: a\r\n\r\n`, 400],
    ['a secret to expect', `${line}Expect: ${KEY}\r\n${authorization}\r\n`, 417],
    ['a secret for a length', `${line}${authorization}Content-Length: ${KEY}\r\n\r\n`, 400],
  ])('%s', async (_what, bytes, status) => {
    expect(await sendRaw(bytes)).toBe(status)
  })
})

describe('bodies', () => {
  const padding = ' '.repeat(16_400)

  test.each([
    ['no JSON', `{"a": "${CLIENT_SECRET}`, 400],
    ['a secret that no JSON can hold', `{"a": "${CLIENT_SECRET}\n"}`, 400],
    ['a secret for a field', `{"${CLIENT_SECRET}": 1}`, 400],
    ['a repeated secret', `{"${KEY}": 1, "${KEY}": 1}`, 400],
    ['an unknown field with a secret', `{"api_key": "${KEY}"}`, 400],
    ['a secret for a workflow', `{"workflow": "${CLIENT_SECRET}"}`, 403],
    ['an undeclared input', `{"input": {"${CLIENT_SECRET}": "${KEY}"}}`, 400],
    ['an input that is too long', `{"input": {"page": "${CLIENT_SECRET}${KEY}"}}`, 400],
    ['a secret for an object', `"${CLIENT_SECRET}"`, 400],
    ['one that is too large', `{"a": "${CLIENT_SECRET}${padding}"}`, 413],
    ['a current secret that nobody knows', `{"current_client_secret": "${CLIENT_SECRET}"}`, 200],
    ['a current secret of another kind', `{"current_client_secret": ["${CLIENT_SECRET}"]}`, 400],
  ])('%s', async (_what, body, status) => {
    expect((await mint(body)).status).toBe(status)
  })

  test('a content type that is a secret', async () => {
    expect((await mint('{}', { 'content-type': KEY })).status).toBe(415)
  })

  test('a current secret that is the own one, replaced', async () => {
    const authorization = `Bearer ${newToken()}`
    const { client_secret: current } = JSON.parse((await send({ headers: { authorization } })).text)
    const body = JSON.stringify({ current_client_secret: current })
    const headers = { authorization, 'content-type': 'application/json' }
    expect((await send({ headers, body })).status).toBe(200)
  })
})

describe('origins', () => {
  test.each(['https://evil.example', 'null', `https://${CLIENT_SECRET.toLowerCase()}.example`])(
    '%s',
    async (origin) => {
      expect((await mint(undefined, { origin })).status).toBe(403)
      const headers = { origin, 'access-control-request-method': 'POST' }
      expect((await send({ method: 'OPTIONS', headers })).status).toBe(403)
    },
  )
})

describe('an API that echoes key, secret and token', () => {
  const echo = `${KEY} ${CLIENT_SECRET} ${TOKEN}`
  const error = { message: echo, type: KEY, code: CLIENT_SECRET, param: TOKEN }
  const headers = { 'x-request-id': KEY, 'retry-after': KEY, location: `/?${CLIENT_SECRET}` }

  async function mintWith(answer: Instead): Promise<number> {
    upstream.instead = answer
    try {
      return (await mint()).status
    } finally {
      upstream.instead = undefined
    }
  }

  test.each([302, 400, 401, 403, 404, 410, 422, 429, 500, 503])('status %i', async (status) => {
    const answer = () => new Response(JSON.stringify({ error }), { status, headers })
    expect(await mintWith(answer)).toBe(status < 429 ? 502 : 503)
  })

  const planted = { id: 'cksess_planted', object: 'chatkit.session' }
  const session = () => ({ ...planted, client_secret: CLIENT_SECRET })
  test.each([
    ['HTML', `<p>${echo}</p>`],
    ['truncated JSON', JSON.stringify(session()).slice(0, -1)],
    ['JSON that breaks behind the secret', `{"client_secret":"${CLIENT_SECRET}\n"}`],
    ['JSON that goes wrong next to the secret', `["${CLIENT_SECRET}",x]`],
    ['JSON that breaks before the secret', `{"client_secret":${CLIENT_SECRET}}`],
    ['an empty object', '{}'],
    ['a list', JSON.stringify([session()])],
    ['half a session', JSON.stringify(session())],
    ['a session with secrets for members', JSON.stringify({ ...session(), [KEY]: 1, user: TOKEN })],
    ['too much', `{"client_secret":"${CLIENT_SECRET}","a":"${'x'.repeat(300_000)}"}`],
  ])('%s', async (_what, body) => {
    expect(await mintWith(() => new Response(body, { headers }))).toBe(502)
  })

  test.each([{ user: KEY }, { status: 'expired' }, { client_secret: [CLIENT_SECRET] }])(
    'a session changed by %j',
    async (changes) => {
      upstream.instead = async (request) => {
        const answer = await upstream.api.app.fetch(request)
        return Response.json({ ...((await answer.json()) as object), ...changes })
      }
      expect((await mint()).status).toBe(502)
      upstream.instead = undefined
    },
  )

  test('a cancel that fails, and is tried again', async () => {
    const authorization = `Bearer ${newToken()}`
    const { client_secret: current } = JSON.parse((await send({ headers: { authorization } })).text)
    const cancels: string[] = []
    upstream.instead = (request) => {
      if (!request.url.endsWith('/cancel')) return undefined
      cancels.push(request.url)
      return new Response(JSON.stringify({ error }), { status: 500, headers })
    }
    const body = JSON.stringify({ current_client_secret: current })
    await send({ headers: { authorization, 'content-type': 'application/json' }, body })
    await expect.poll(() => cancels.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(2)
    upstream.instead = undefined
  })

  test('none at all: connections cut in the middle of an answer', async () => {
    const broken: Instead = (_request, { outgoing }) => {
      outgoing.writeHead(200, { 'content-type': 'application/json' })
      outgoing.write(`{"client_secret":"${CLIENT_SECRET}`)
      setTimeout(() => outgoing.destroy(), 20)
      // No answer of Hono's follows the one that was cut.
      return new Promise(() => {})
    }
    expect(await mintWith(broken)).toBeGreaterThanOrEqual(502)
  })
})

test('a store that fails when the session is to be recorded', async () => {
  const other = new DatabaseSync(join(directory, 'mint.db'))
  upstream.instead = async (request) => {
    if (request.url.endsWith('/sessions')) other.exec('BEGIN EXCLUSIVE')
    return await upstream.api.app.fetch(request)
  }
  try {
    const { status, text } = await mint()
    expect([status, JSON.parse(text).code]).toEqual([503, 'store_unavailable'])
  } finally {
    upstream.instead = undefined
    other.exec('ROLLBACK')
    other.close()
  }
})

describe('backends', () => {
  const json = { 'content-type': 'application/json' }
  const authorization = `Bearer ${BACKEND_KEY}`
  const call = (path: string, { headers, ...sent }: Omit<Sent, 'path'> = {}) => {
    const all = { authorization, ...json, ...headers }
    return send({ method: 'GET', ...sent, path: `/v1/chatkit${path}`, headers: all })
  }
  const by = (value: string) => ({ headers: { authorization: value } })
  const posted = (body: string, headers = {}) => ({ method: 'POST', body, headers })
  const post = (path: string, body?: object) =>
    call(path, { method: 'POST', ...(body && { body: JSON.stringify(body) }) })
  const create = (id: string, more: object = {}) =>
    post('/sessions', { user: SUBJECT, workflow: { id }, ...more })

  test.each(['support', 'helpdesk'])('a session of %s, and its cancel', async (workflow) => {
    const { status, text } = await create(workflow)
    expect(status).toBe(200)
    const { id, client_secret } = JSON.parse(text)
    plant(`client secret of ${workflow}`, client_secret)
    expect((await post(`/sessions/${client_secret}/cancel`)).status).toBeGreaterThanOrEqual(400)
    for (const _time of [1, 2]) {
      const cancelled = await post(`/sessions/${id}/cancel`)
      expect([cancelled.status, JSON.parse(cancelled.text).client_secret]).toEqual([200, ''])
    }
  })

  test.each<[string, string, Omit<Sent, 'path'>, number]>([
    ['a key that nobody has', '/threads', by(`Bearer ${GUESSED_KEY}`), 401],
    ['a key as Basic', '/threads', by(`Basic ${BACKEND_KEY}`), 401],
    ['two keys', '/threads', by(`${authorization}, ${GUESSED_KEY}`), 400],
    ['a client secret', '/threads', by(`Bearer ${CLIENT_SECRET}`), 401],
    ['a page', '/threads', { headers: { origin: `https://${BACKEND_KEY}.example` } }, 403],
    ['a key in the query', `/threads?api_key=${BACKEND_KEY}`, {}, 200],
    ['a key for a parameter', `/threads?${BACKEND_KEY}=1`, {}, 200],
    ['a key for a cursor', `/threads?after=${BACKEND_KEY}`, {}, 400],
    ['a key for a thread', `/threads/${BACKEND_KEY}`, {}, 404],
    ['a key for a thread to delete', `/threads/${BACKEND_KEY}`, { method: 'DELETE' }, 404],
    ['a token for a thread', `/threads/${TOKEN}/items`, {}, 400],
    ['a key for a path', `/${BACKEND_KEY}`, {}, 404],
    ['a key for a content type', '/sessions', posted('{}', { 'content-type': BACKEND_KEY }), 400],
    ['a body that is cut', '/sessions', posted(`{"user":"${BACKEND_KEY}`), 400],
    ['a repeated key', '/sessions', posted(`{"${BACKEND_KEY}":1,"${BACKEND_KEY}":2}`), 400],
  ])('%s', async (_what, path, sent, status) => {
    expect((await call(path, sent)).status).toBe(status)
  })

  const ofState = (state_variables: object) => ({ workflow: { id: 'support', state_variables } })
  test.each<[string, object, number]>([
    ['for a workflow', { workflow: { id: BACKEND_KEY } }, 404],
    ['for a field', { [BACKEND_KEY]: 1 }, 400],
    ['for a state variable', ofState({ a: [BACKEND_KEY] }), 400],
    ['for the name of one', ofState({ [BACKEND_KEY]: [] }), 400],
    ['for a number', { expires_after: { anchor: 'created_at', seconds: BACKEND_KEY } }, 400],
    ['for an anchor', { expires_after: { anchor: BACKEND_KEY, seconds: 1 } }, 400],
  ])('a key %s', async (_what, more, status) => {
    expect((await create('support', more)).status).toBe(status)
  })

  test('a key where users have tokens', async () => {
    for (const path of ['/v1/sessions', '/v1/threads', '/v1/admin/sessions']) {
      const method = path === '/v1/sessions' ? 'POST' : 'GET'
      const { status } = await send({ method, path, headers: { authorization } })
      expect({ path, status: status === 404 ? 401 : status }).toEqual({ path, status: 401 })
    }
  })

  const echo = `${KEY} ${CLIENT_SECRET} ${TOKEN} ${BACKEND_KEY}`
  const errors = [
    { message: echo, type: KEY, code: CLIENT_SECRET, param: TOKEN },
    { message: echo, type: TOKEN, code: TOKEN, param: KEY },
    { message: echo, type: BACKEND_KEY, code: BACKEND_KEY, param: BACKEND_KEY },
  ]
  test.each([400, 401, 403, 404, 409, 422, 429, 500])(
    'an API that echoes keys, secrets and tokens with %i',
    async (refused) => {
      // 429 and 5xx are tried again, which takes its time.
      for (const error of refused >= 429 ? errors.slice(0, 1) : errors) {
        upstream.instead = () => Response.json({ error }, { status: refused })
        const calls = [
          await create('support'),
          await call('/threads?after=cthr_1'),
          await call('/threads/cthr_1'),
          await call('/threads/cthr_1', { method: 'DELETE' }),
        ]
        upstream.instead = undefined
        for (const { status } of calls) expect(status).toBeGreaterThanOrEqual(400)
      }
    },
  )

  test('an API whose session is none', async () => {
    const half = { id: 'cksess_planted', client_secret: CLIENT_SECRET, [KEY]: BACKEND_KEY }
    upstream.instead = () => Response.json(half)
    expect((await create('support')).status).toBe(502)
    upstream.instead = undefined
  })
})

test('the metrics are searched for secrets, too', async () => {
  const text = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  expect(text).toContain('/v1/chatkit/sessions')
  answers.push(text)
})

describe('starts that are refused', () => {
  async function refused(code: number, config: string, env: Readonly<Record<string, string>> = {}) {
    const ended = await runToEnd({ config, env: { ...environment(), ...env } })
    answers.push(ended.stdout, ended.stderr)
    expect(ended.code).toBe(code)
  }

  /** The same sentences without a process: `main.ts` prints them as they are here. */
  function refusal(config: string, env: Readonly<Record<string, string>> = {}) {
    const file = join(directory, 'config.yaml')
    writeFileSync(file, config)
    const start = () => readSetup({ ...environment(), CONFIG_FILE: file, ...env })
    expect(start).toThrow(SetupError)
    try {
      start()
    } catch (error) {
      answers.push(scrub((error as SetupError).message))
    }
  }

  test.each([
    ['for the name of a variable', CONFIG.replace('id: wf', `api_key_env: ${KEY}\n    id: wf`)],
    ['for a key', CONFIG.replace('id: wf', `${KEY}: 1\n    id: wf`)],
    ['for a workflow', CONFIG.replace('support:', `${KEY}:`)],
    ['in an expression', CONFIG.replace('user: claims.sub', `user: 'claims.sub + ${KEY}'`)],
    ['for an audience', CONFIG.replace('[chat-api]', `{ key: ${KEY} }`)],
    ['for an origin', CONFIG.replace(APP_ORIGIN, KEY)],
    ['in broken YAML', `${CONFIG}\n  key: [${KEY}\n`],
    ['for a shared secret', CONFIG.replace('TEST_SHARED_SECRET', `"${TOKEN}"`)],
  ])('a key pasted %s', (_where, config) => {
    refusal(config)
  })

  test.each([
    ['STORE_URL', KEY],
    ['PORT', KEY],
    ['OPENAI_BASE_URL', `https://user:${KEY}@api.openai.com/v1`],
    ['PUBLIC_URL', `https://chat.example/?key=${KEY}`],
    ['LOG_LEVEL', KEY],
    ['CONFIG_FILE', KEY],
    ['OPENAI_API_KEY_FILE', KEY],
  ])('a key pasted into %s', (name, value) => {
    const change = name === 'OPENAI_API_KEY_FILE' ? { OPENAI_API_KEY: '' } : {}
    refusal(CONFIG, { ...change, [name]: value })
  })

  test('a key with a line break in it', async () => {
    await refused(78, CONFIG, { OPENAI_API_KEY: `${KEY}\n${KEY}` })
  })

  test('a key for a host to listen on', async () => {
    await refused(69, CONFIG, { HOST: KEY })
  })
})

test('a crash is logged before the process ends', async () => {
  service.child.kill('SIGUSR2')
  expect(await service.exited).toEqual({ code: 70, signal: null })
  expect(service.log().at(-1)).toMatchObject({ msg: 'crash', err: { type: 'Error' } })
})

describe('after all of this', () => {
  function everything(): Planted[] {
    const secrets = upstream.api.sessions().map(({ client_secret: value }, at) => {
      return { what: `client secret ${at}`, value }
    })
    expect(secrets.length).toBeGreaterThan(5)
    return [...planted, ...secrets]
  }

  test('the log has said enough to judge, and has a line for every answer', () => {
    expect(service.log().length).toBeGreaterThan(90)
    expect(answers.length).toBeGreaterThan(90)
  })

  test('nothing planted is in any answer, header or message', () => {
    const found = answers.flatMap((answer) =>
      leaksIn(answer, everything()).map((what) => ({ what, answer })),
    )
    expect(found).toEqual([])
  })

  test('nothing planted is on standard output', () => {
    const lines = service.stdout().split('\n')
    const found = lines.flatMap((line) =>
      leaksIn(line, everything()).map((what) => ({ what, line })),
    )
    expect(found).toEqual([])
  })

  test('nothing at all is on standard error', () => {
    expect(service.stderr()).toBe('')
  })

  test('no subject is in the log: users are hashes there', () => {
    expect(service.stdout()).not.toContain(SUBJECT)
  })
})
