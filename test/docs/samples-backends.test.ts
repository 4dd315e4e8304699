import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import express, { type Request, type Router } from 'express'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createGetClientSecret } from '../../src/client/client.js'
import { asAt, createThread } from '../gateway/scene.ts'
import { BILLING, startBackend } from '../http/backend/scene.ts'
import { revoke } from '../support/admin-calls.ts'
import { serve } from '../support/network/listen.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { ROOT, type Sample, samplesIn } from './samples.ts'

// The samples of the guide for backends, run as they stand against a service with API keys.

const run = promisify(execFile)
const scene = forAllTests(() => startBackend())
const folder = scratchFolder()
let env: Record<string, string>
beforeAll(() => {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  env = { OPENAI_BASE_URL: scene.base, OPENAI_API_KEY: BILLING }
})

function sampleWith(language: string, words: string): Sample {
  const found = samplesIn(language).filter((one) => one.guide === 'backends')
  const [sample, ...others] = found.filter(({ text }) => text.includes(words))
  if (sample === undefined || others.length > 0) throw new Error(`not one sample with ${words}`)
  return sample
}

/** The gateway says who a client secret is for. */
async function expectSecretWorks(secret: string) {
  const asker = asAt(`${scene.running.url}/chatkit/helpdesk`, { secret })
  expect((await asker(['threads.list', {}])).status).toBe(200)
  return asker
}

interface Exported {
  clientSecretFor(user: string): Promise<string>
  titlesOf(user: string): Promise<(string | null)[]>
  end(session: string): Promise<string>
  secretUnlessBlocked(user: string): Promise<string | null>
  chatRoutes(
    secretFor: Exported['secretUnlessBlocked'],
    userOf: (request: Request) => string | undefined,
  ): Router
}

async function imported({ file, text }: Sample): Promise<Exported> {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value)
  const path = join(folder, `${file}.mjs`)
  writeFileSync(path, text)
  const module: Exported = await import(/* @vite-ignore */ pathToFileURL(path).href)
  vi.unstubAllEnvs()
  return module
}

describe('JavaScript', () => {
  test('makes a session whose secret works', async () => {
    const { clientSecretFor } = await imported(sampleWith('js', 'clientSecretFor'))
    await expectSecretWorks(await clientSecretFor('alice'))
  })

  test('lists titles, ends a session, and gives a blocked user none', async () => {
    const sample = await imported(sampleWith('js', 'titlesOf'))
    const secret = (await sample.secretUnlessBlocked('bob')) ?? ''
    await createThread(await expectSecretWorks(secret), 'good morning')
    expect(await sample.titlesOf('bob')).toEqual([expect.any(String)])
    const workflow = { id: 'helpdesk' }
    const made = await scene.client().beta.chatkit.sessions.create({ user: 'bob', workflow })
    expect(await sample.end(made.id)).toBe('cancelled')
    await revoke(scene.running, 'bob', { block_seconds: 600 })
    expect(await sample.secretUnlessBlocked('bob')).toBeNull()
  })

  test('with Express it answers the helper of the page: a secret, nobody, a blocked user', async () => {
    const { secretUnlessBlocked } = await imported(sampleWith('js', 'titlesOf'))
    const { chatRoutes } = await imported(sampleWith('js', "from 'express'"))
    const routes = chatRoutes(secretUnlessBlocked, (request) => request.get('x-user'))
    const { origin, close } = await serve(express().use(routes))
    onTestFinished(close)
    const secretOf = (user?: string) =>
      createGetClientSecret({
        url: origin,
        fetch: (url, init) => fetch(url, { ...init, headers: user ? { 'x-user': user } : {} }),
      })()
    await expectSecretWorks(await secretOf('carol'))
    await expect(secretOf()).rejects.toMatchObject({ code: 'missing_token', status: 401 })
    await revoke(scene.running, 'carol', { block_seconds: 600 })
    await expect(secretOf('carol')).rejects.toMatchObject({ code: 'user_blocked', status: 403 })
  })
})

/** Whether a program is there; CI fails where it is missing. */
async function isThere(program: string): Promise<boolean> {
  const found = await run(program, ['--version']).catch(() => undefined)
  return found !== undefined || process.env['CI'] === 'true'
}

test.runIf(await isThere('curl'))('curl makes a session whose secret works', async () => {
  const { text } = sampleWith('sh', 'curl ')
  const { PATH = '' } = process.env
  const { stdout } = await run('bash', ['-c', text], { env: { ...env, PATH } })
  await expectSecretWorks(JSON.parse(stdout).client_secret)
})

/** In the place of the official package, which pip has and npm has not: the calls of the sample, over urllib. */
const OPENAI_PY = `
import json, os, types, urllib.request

class OpenAI:
    def __init__(self):
        sessions = types.SimpleNamespace(create=self._create)
        self.beta = types.SimpleNamespace(chatkit=types.SimpleNamespace(sessions=sessions))

    def _create(self, **body):
        headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
        url = os.environ["OPENAI_BASE_URL"] + "/chatkit/sessions"
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request) as answer:
            return types.SimpleNamespace(**json.load(answer))
`
const PYTHON = '/usr/bin/python3'

test.runIf(await isThere(PYTHON))('Python makes a session whose secret works', async () => {
  const packages = join(folder, 'python')
  mkdirSync(packages)
  writeFileSync(join(packages, 'openai.py'), OPENAI_PY)
  const program = `${sampleWith('python', 'client_secret_for').text}\nprint(client_secret_for("alice"))`
  const { stdout } = await run(PYTHON, ['-c', program], { env: { ...env, PYTHONPATH: packages } })
  await expectSecretWorks(stdout.trim())
})
