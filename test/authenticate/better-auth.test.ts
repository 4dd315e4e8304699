import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { betterAuth } from 'better-auth'
import { memoryAdapter } from 'better-auth/adapters/memory'
import { toNodeHandler } from 'better-auth/node'
import { jwt } from 'better-auth/plugins'
import { expect, test } from 'vitest'
import { readToken } from '../../src/authenticate/token-shape.ts'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// The real package, with its JWT plugin as it comes, behind the example file.

const EXAMPLE = new URL('../../config/examples/better-auth.yaml', import.meta.url)

/** An app with better-auth on loopback. */
async function startApp() {
  const http = createServer()
  const { origin: url, close } = await listenOnLoopback(http)
  const user: { email: string; emailVerified: boolean }[] = []
  const tables = { user, session: [], account: [], verification: [], jwks: [] }
  const auth = betterAuth({
    baseURL: url,
    secret: 'a secret of better-auth, of more than 32 characters',
    database: memoryAdapter(tables),
    emailAndPassword: { enabled: true },
    telemetry: { enabled: false },
    plugins: [jwt()],
  })
  http.on('request', toNodeHandler(auth))
  const paths: string[] = []
  http.on('request', ({ url: path }) => paths.push(path ?? ''))
  return {
    url,
    paths,
    auth,
    /** As the link in better-auth's mail does. */
    verifyEmail(email: string): void {
      for (const one of tables.user) if (one.email === email) one.emailVerified = true
    },
    /** Signs somebody up, and gives their cookies. */
    async signUp(email: string): Promise<string> {
      const answer = await fetch(`${url}/api/auth/sign-up/email`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: url },
        body: JSON.stringify({ email, name: 'Alice', password: 'correct horse battery' }),
      })
      expect(answer.status).toBe(200)
      return answer.headers
        .getSetCookie()
        .map((one) => one.split(';', 1)[0])
        .join('; ')
    },
    async token(cookie: string): Promise<string> {
      const answer = await fetch(`${url}/api/auth/token`, { headers: { cookie } })
      return ((await answer.json()) as { token: string }).token
    },
    close,
  }
}

const app = forAllTests(startApp)
const running = forAllTests(() => {
  const text = readFileSync(EXAMPLE, 'utf8')
  const config = text.replaceAll('https://app.acme.example', app.url)
  return startService({ config, env: { PUBLIC_URL: 'https://chat.acme.test' } })
})

function mint(token: string) {
  const headers = [`Authorization: Bearer ${token}`, `Origin: ${app.url}`]
  return rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
}

test('a token of better-auth mints for its user, fresh as they are: EdDSA, key set at /api/auth/jwks, no typ', async () => {
  const token = await app.token(await app.signUp('alice@acme.test'))
  const { header, claims } = readToken(token)
  expect(header).toMatchObject({ alg: 'EdDSA', typ: undefined })
  const answer = await mint(token)
  expect(answer.status).toBe(200)
  const { client_secret } = JSON.parse(answer.body) as { client_secret: string }
  expect(readToken(client_secret).claims['sub']).toBe(`${app.url}|${claims['sub']}`)
  expect(app.paths).toContain('/api/auth/jwks')
  expect(app.paths.join()).not.toContain('.well-known')
})

test('an admin is who has verified the address of the config, and not who has only written it', async () => {
  const email = 'ada@acme.example'
  const cookie = await app.signUp(email)
  const list = async () => {
    const headers = [`Authorization: Bearer ${await app.token(cookie)}`]
    return rawExchange(running.url, rawRequest('GET /v1/admin/users', { headers }))
  }
  expectProblem(await list(), 403, 'admin_required')
  app.verifyEmail(email)
  expect((await list()).status).toBe(200)
})

test('on a server, a token is asked for once getSession has found somebody: getToken throws for nobody', async () => {
  const { getSession, getToken } = app.auth.api
  const nobody = { headers: new Headers() }
  expect(await getSession(nobody)).toBeNull()
  await expect(getToken(nobody)).rejects.toMatchObject({ statusCode: 401 })
  const alice = { headers: new Headers({ cookie: await app.signUp('eve@acme.test') }) }
  expect(await getSession(alice)).not.toBeNull()
  expect((await mint((await getToken(alice)).token)).status).toBe(200)
})

test('the session cookie and its token are opaque, and mint nothing', async () => {
  const cookie = await app.signUp('bob@acme.test')
  const [, session = ''] = /session_token=([^;]+)/.exec(cookie) ?? []
  for (const token of [session, decodeURIComponent(session).split('.')[0] ?? '']) {
    expect(token.length).toBeGreaterThan(20)
    expectProblem(await mint(token), 401, 'invalid_token')
  }
})
