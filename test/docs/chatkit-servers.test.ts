import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { createChatServer } from '../../src/docs/chatkit-server.ts'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { asAt, createThread, itemIn } from '../gateway/scene.ts'
import { secretOf } from '../support/admin-calls.ts'
import { selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { input } from '../support/chatkit/server-client.ts'
import { EVENTUALLY_MS } from '../support/eventually.ts'
import { freePort } from '../support/network/listen.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { ROOT, samplesIn } from './samples.ts'

// The guide's server in Node, behind the service, as a reader starts both.

const [at, port] = [await freePort(), await freePort()]
const audience = `http://127.0.0.1:${at}/chatkit`
const issuer = `http://127.0.0.1:${port}`
const server = forAllTests(() => listenOnLoopback(createChatServer({ issuer, audience }), at))
const running = forAllTests(() =>
  startService({
    config: selfHostedConfig({ server: audience }),
    env: { PUBLIC_URL: issuer },
    port,
  }),
)
const printed = vi.spyOn(console, 'log')
beforeAll(() => void printed.mockReturnValue())
afterAll(() => printed.mockRestore())

const userNamed = async (name: string) =>
  asAt(`${running.url}/chatkit/helpdesk`, { secret: await secretOf(running, name) })

test('answers a chat, keeps it, and deletes it', async () => {
  const alice = await userNamed('alice')
  const { id: thread_id, events } = await createThread(alice, 'good morning')
  const content = [{ type: 'output_text', text: 'You said: good morning', annotations: [] }]
  expect(itemIn(events, 'assistant_message')).toMatchObject({ content })
  const more = await alice(['threads.add_user_message', { thread_id, input: input('again') }])
  expect(await more.text()).toContain('You said: again')
  const list = await (await alice(['threads.list'])).json()
  expect(list).toMatchObject({ data: [{ id: thread_id, title: 'good morning' }] })
  const items = await (await alice(['items.list', { thread_id, limit: 3 }])).json()
  expect(items).toMatchObject({ data: { length: 3 }, has_more: true })
  expect((await alice(['threads.delete', { thread_id }])).status).toBe(200)
  expect(await (await alice(['threads.list'])).json()).toMatchObject({ data: [] })
})

test('answers the gateway alone, and each user for their own threads', async () => {
  const url = `${server.origin}/chatkit`
  const { id: thread_id } = await createThread(await userNamed('alice'))
  const get = ['threads.get_by_id', { thread_id }] as const
  const refused = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  onTestFinished(() => refused.mockRestore())
  expect((await asAt(url, { secret: 'a-bad-token' })(get)).status).toBe(401)
  const line =
    /^401, the token was refused: "Invalid Compact JWS" \(issuer http\S+ with its keys at \.well-known\/jwks\.json, audience http\S+\)\n$/
  expect(refused.mock.calls).toEqual([[expect.stringMatching(line)]])
  const bob = await userNamed('bob')
  expectProblem(await answerOf(await bob(get)), 404, 'not_found')
  expect(await (await bob(['threads.list'])).json()).toMatchObject({ data: [] })
  // The question that other endpoints ask, according to the guide.
  const statusFor = async (name: string) => {
    const headers = { authorization: `Bearer ${tokenFor(name)}` }
    return (await fetch(`${running.url}/v1/threads/${thread_id}`, { headers })).status
  }
  expect([await statusFor('alice'), await statusFor('bob')]).toEqual([200, 404])
})

/** With the registry, and tsx for an older Node, only where all guides are performed with real packages. */
const INSTALLS = process.env['GUIDES'] === 'all'

test('the guide’s commands start the one in Node, on loopback alone, and it says where', async () => {
  const folder = scratchFolder()
  const CHATKIT_MINT_KEYS_URL = `${running.url}/.well-known/jwks.json`
  const [steps, ...more] = samplesIn('sh').filter(({ text }) => text.includes('start.ts'))
  expect(more).toEqual([])
  const port = await freePort()
  // The files come from the service; PUBLIC_URL is an address that cannot be reached.
  const text = (steps?.text ?? '')
    .replaceAll('http://localhost:8787/docs', `${running.url}/docs`)
    .replaceAll('8000', String(port))
    .replaceAll('8787', '1')
  const installed = text
    .replace(/^npm install .*$/m, `ln -s '${ROOT}/node_modules' node_modules`)
    .replace('npx tsx start.ts', 'exec node start.ts')
  const PATH = INSTALLS
    ? (process.env['PATH'] ?? '')
    : `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`
  const env = {
    ...(INSTALLS && process.env),
    PATH,
    HOST: undefined,
    HOME: process.env['HOME'],
    CHATKIT_MINT_KEYS_URL,
  }
  const script = `set -eu\n${INSTALLS ? text : installed}`
  const child = spawn('bash', ['-c', script], { cwd: folder, env, detached: true })
  const gone = once(child, 'close')
  onTestFinished(async () => {
    process.kill(-(child.pid ?? 0), 'SIGKILL')
    await gone
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => (said += part))
  const line = `ChatKit server at http://localhost:${port}/chatkit, on 127.0.0.1`
  await vi.waitUntil(() => said.includes(line) || child.exitCode !== null, { timeout: 100_000 })
  expect(said).toContain(line)
  expect(said).not.toContain('Warning')
  const statusAt = (host: string) =>
    fetch(`http://${host}:${port}/chatkit`, { method: 'POST' }).then(
      ({ status }) => status,
      () => 'nobody',
    )
  expect([await statusAt('127.0.0.1'), await statusAt('127.0.0.2')]).toEqual([401, 'nobody'])
  // PUBLIC_URL of the guide cannot be reached here: the reason for a token that is refused shows whose keys were read.
  const header = Buffer.from(JSON.stringify({ alg: 'ES256', kid: 'none' })).toString('base64url')
  const authorization = `Bearer ${header}.e30.e30`
  await fetch(`http://127.0.0.1:${port}/chatkit`, { method: 'POST', headers: { authorization } })
  await vi.waitUntil(() => said.includes('no applicable key found'), EVENTUALLY_MS)
  expect(said).not.toContain(header)
}, 120_000)

const PYTHON = '/usr/bin/python3'

/** Names that each text on standard input uses without an import or a definition. */
const UNDEFINED = `
import ast, builtins, json, sys

def undefined(text):
    known, used = set(dir(builtins)), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else known).add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            known.add(node.name)
        elif isinstance(node, ast.alias):
            known.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.arg):
            known.add(node.arg)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            known.add(node.name)
    return sorted(used - known)

print(json.dumps([undefined(text) for text in json.load(sys.stdin)]))
`

/** Names that a reader's own server has. */
const OWN = ['app', 'orders']

test.runIf(process.env['CI'] === 'true' || existsSync(PYTHON))(
  'the one in Python parses, and so do the samples in Python, each with all its imports',
  () => {
    const file = join(ROOT, 'src/docs/chatkit_server.py')
    const texts = [readFileSync(file, 'utf8'), ...samplesIn('python').map(({ text }) => text)]
    const undefinedIn = (all: readonly string[]): readonly string[][] =>
      JSON.parse(String(execFileSync(PYTHON, ['-c', UNDEFINED], { input: JSON.stringify(all) })))
    const missing = undefinedIn(texts).flat()
    expect(missing.filter((name) => !OWN.includes(name))).toEqual([])
    expect(undefinedIn(['print(quote("a"))'])).toEqual([['quote']])
  },
)
