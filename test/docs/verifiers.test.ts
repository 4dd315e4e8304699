import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  SIGNING_ALGORITHMS,
  type SigningAlgorithm,
} from '../../src/chatkit/signing/private-keys.ts'
import { createServerIdentity } from '../../src/chatkit/signing/server-token.ts'
import {
  makeSigningKeys,
  readSigningKeys,
  type SigningKeys,
} from '../../src/chatkit/signing/signing-keys.ts'
import { createVerifier } from '../../src/docs/verify-chatkit-token.ts'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { freePort } from '../support/network/listen.ts'
import { forAllTests } from '../support/started.ts'

const PYTHON = '/usr/bin/python3'
const DOCS = join(import.meta.dirname, '../../src/docs')
const AUDIENCE = 'http://helpdesk.internal:8000/chatkit'

/** Reads an `Authorization` header with a verifier; undefined when it refuses. */
type Verify = (
  authorization: string | undefined,
) => Promise<{ user: string; session: string | null; state: unknown } | undefined>

const newKeys = (alg?: SigningAlgorithm) => readSigningKeys(makeSigningKeys(alg), 'test')
const keys = newKeys()
const foreign = newKeys()
const others = new Map(SIGNING_ALGORITHMS.map((alg) => [alg, newKeys(alg)]))
const published = [keys, ...others.values()].flatMap((set) => set.publicKeys.keys)
const port = await freePort()
const issuer = `http://127.0.0.1:${port}`
const keyServer = createServer((request, response) => {
  const found = request.url === '/.well-known/jwks.json'
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ keys: published }))
})
forAllTests(() => listenOnLoopback(keyServer, port))

interface Changes {
  readonly keys?: SigningKeys
  readonly publicUrl?: string
  readonly audience?: string
  /** Milliseconds. */
  readonly now?: number
}

/** `Authorization` exactly as the gateway sends it. */
async function authorization(changes: Changes = {}, session: string | undefined = 'cksess_1') {
  const now = changes.now ?? Date.now()
  const { publicUrl = issuer } = changes
  const parts = { keys: changes.keys ?? keys, publicUrl, now: () => now }
  const identity = createServerIdentity(parts)
  const who = { user: 'alice|ü', ...(session !== '' && { session }), state: { plan: 'pro', n: 3 } }
  const headers = await identity(changes.audience ?? AUDIENCE, who)
  return headers['authorization'] ?? ''
}

function verifierSuite(algorithms: readonly SigningAlgorithm[], verifier: () => Verify): void {
  const verify: Verify = (header) => verifier()(header)

  test.each(algorithms)('the verifier takes a token that is signed with %s', async (alg) => {
    const other = others.get(alg)
    expect(await verify(await authorization({ ...(other && { keys: other }) }))).toMatchObject({
      user: 'alice|ü',
    })
  })

  test('the verifier takes the gateway’s token, and knows user, session and state', async () => {
    expect(await verify(await authorization())).toEqual({
      user: 'alice|ü',
      session: 'cksess_1',
      state: { plan: 'pro', n: 3 },
    })
  })

  test('the verifier takes a token of the service itself, without a session', async () => {
    const seen = await verify(await authorization({}, ''))
    expect(seen).toMatchObject({ user: 'alice|ü', session: null })
  })

  test.each<[string, () => Promise<string | undefined>]>([
    ['another audience', () => authorization({ audience: `${AUDIENCE}/` })],
    ['another issuer', () => authorization({ publicUrl: 'https://mint.other.example' })],
    ['an expired one', () => authorization({ now: Date.now() - 120_000 })],
    ['another key', () => authorization({ keys: foreign })],
    [
      'a changed claim',
      async () => {
        const [header, claims = '', signature] = (await authorization()).split('.')
        const text = Buffer.from(claims, 'base64url').toString().replace('alice', 'bobby')
        return `${header}.${Buffer.from(text).toString('base64url')}.${signature}`
      },
    ],
    [
      'no signature',
      async () => {
        const [, claims] = (await authorization()).split('.')
        return `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.${claims}.`
      },
    ],
    ['another scheme', async () => (await authorization()).replace('Bearer', 'Basic')],
    ['no token', async () => undefined],
    ['an empty one', async () => 'Bearer '],
    ['no JWT', async () => 'Bearer x'],
  ])('the verifier refuses %s', async (_what, make) => {
    expect(await verify(await make())).toBeUndefined()
  })
}

describe('verify-chatkit-token.ts', () => {
  const verifyToken = createVerifier({ issuer, audience: AUDIENCE })
  verifierSuite(SIGNING_ALGORITHMS, () => async (header) => {
    const context = await verifyToken(header).catch(() => undefined)
    return context && { ...context, session: context.session ?? null }
  })

  test('reads the keys at another address than the issuer’s, where one is given', async () => {
    const unreachable = 'http://mint.invalid'
    const keysUrl = `${issuer}/.well-known/jwks.json`
    const verifyThere = createVerifier({ issuer: unreachable, audience: AUDIENCE, keysUrl })
    const sent = await authorization({ publicUrl: unreachable })
    expect(await verifyThere(sent)).toMatchObject({ user: 'alice|ü' })
  })
})

/** Whether this machine can run the Python one; where it must, its absence shows as a failure. */
function wantsPython(): boolean {
  if (process.env['CI'] === 'true') return true
  try {
    execFileSync(PYTHON, ['-c', 'import fastapi, jwt, cryptography'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

// A FastAPI app with the file's dependency, called in-process: a header a line in, the answer out.
const PROGRAM = `
import asyncio, json, sys
from fastapi import Depends, FastAPI
from verify_chatkit_token import ChatKitContext, chatkit_context

app = FastAPI()

@app.get("/")
async def whoami(context: ChatKitContext = Depends(chatkit_context)):
    return {"user": context.user, "session": context.session, "state": context.state}

async def call(header):
    sent = []
    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}
    async def send(message):
        sent.append(message)
    headers = [] if header is None else [(b"authorization", header.encode())]
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
             "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
             "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    await app(scope, receive, send)
    return {"status": sent[0]["status"], "headers": {k.decode(): v.decode() for k, v in sent[0]["headers"]},
            "body": json.loads(b"".join(m.get("body", b"") for m in sent[1:]))}

for line in sys.stdin:
    print(json.dumps(asyncio.run(call(json.loads(line)))), flush=True)
`

describe.runIf(wantsPython())('verify_chatkit_token.py', () => {
  let python: ChildProcess
  let lines: Interface
  let died: Promise<never>
  let stderr = ''
  const environment = () => ({
    PATH: process.env['PATH'] ?? '',
    PYTHONPATH: DOCS,
    PYTHONDONTWRITEBYTECODE: '1',
    CHATKIT_MINT_URL: issuer,
    CHATKIT_SERVER_URL: AUDIENCE,
  })
  beforeAll(() => {
    python = spawn(PYTHON, ['-c', PROGRAM], { env: environment(), stdio: 'pipe' })
    python.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
    })
    if (python.stdout === null) throw new Error('no output')
    lines = createInterface({ input: python.stdout })
    died = once(python, 'exit').then(() => Promise.reject(new Error(stderr)))
    died.catch(() => undefined)
  })
  afterAll(() => {
    python.kill('SIGKILL')
  })

  async function ask(header: string | undefined) {
    const answered = once(lines, 'line')
    python.stdin?.write(`${JSON.stringify(header ?? null)}\n`)
    const [line] = await Promise.race([answered, died])
    return JSON.parse(String(line))
  }

  // PyJWT knows no Ed25519 under that name (RFC 9864).
  verifierSuite(
    SIGNING_ALGORITHMS.filter((alg) => alg !== 'Ed25519'),
    () => async (header) => {
      const { status, headers, body } = await ask(header)
      if (status === 200) return body
      expect({ status, challenge: headers['www-authenticate'] }).toEqual({
        status: 401,
        challenge: 'Bearer',
      })
      return undefined
    },
  )

  test('prints one line with the reason for a refusal, and nothing of the token but its key’s name', async () => {
    const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'one\ntwo' })).toString(
      'base64url',
    )
    await ask(`Bearer ${header}.e30.e30`)
    await ask(await authorization({ audience: `${AUDIENCE}/` }))
    // A line of the test before may still come, but comes first.
    const lastTwo = () => stderr.trimEnd().split('\n').slice(-2)
    await expect.poll(() => lastTwo()[0]).toMatch(/^401, the token was refused: .*"one\\ntwo"/)
    const [key, audience] = lastTwo()
    const expected = `(issuer ${issuer} with its keys at ${issuer}/.well-known/jwks.json, audience ${AUDIENCE})`
    expect(key?.endsWith(expected)).toBe(true)
    expect(audience).toMatch(/^401, the token was refused: ['"][^(]*audience/i)
    expect(stderr).not.toContain(header)
  })

  test('reads the keys at CHATKIT_MINT_KEYS_URL, where that is set', () => {
    const address = 'http://chatkit-mint:8787/.well-known/jwks.json'
    const program = 'import verify_chatkit_token; print(verify_chatkit_token.KEYS.uri)'
    const env = { ...environment(), CHATKIT_MINT_KEYS_URL: address }
    expect(String(execFileSync(PYTHON, ['-c', program], { env })).trim()).toBe(address)
  })
})
