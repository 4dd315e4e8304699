import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startMember } from '../support/fleet.ts'
import { endGroup, type Spawned, spawnNode } from '../support/service-process.ts'
import { SAY_WHEN_LISTENING } from '../support/spies.ts'
import { forEachTest } from '../support/started.ts'

let api: Spawned
let url: string
beforeEach(async () => {
  const command = ['--import', SAY_WHEN_LISTENING, 'src/commands/chatkit-api.ts']
  api = spawnNode(command, { PORT: '0' })
  url = await api.until(() => /^Base URL: (\S+)/m.exec(api.stdout())?.[1])
})
afterEach(async () => {
  api.child.kill('SIGKILL')
  await api.exited
})

const curl = spawnSync('curl', ['--version']).error === undefined || process.env['CI'] === 'true'

describe.runIf(curl)('its line to paste (needs curl)', () => {
  test('creates a session when a shell runs it', async () => {
    const line = await api.until(() => /^curl .+$/m.exec(api.stdout())?.[0])
    const { status, stdout, stderr } = spawnSync('sh', ['-c', line], { encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(JSON.parse(stdout)).toMatchObject({
      object: 'chatkit.session',
      status: 'active',
      client_secret: expect.stringMatching(/^ek_/),
    })
  })
})

test('npm run chatkit-api listens on loopback only', () => {
  expect(api.stderr()).toBe('listens on 127.0.0.1\n')
})

test('ends when npm alone gets a SIGTERM, as from a script that starts it in the background', async () => {
  const env = { ...process.env, PORT: '0' }
  const npm = spawn('npm', ['run', '-s', 'chatkit-api'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  const closed = once(npm, 'close')
  try {
    let said = ''
    npm.stdout.on('data', (data: Buffer) => {
      said += data
    })
    await expect.poll(() => said, { timeout: 20_000 }).toContain('Base URL')
    npm.kill('SIGTERM')
    // Standard output closes when the last process that holds it has ended.
    await closed
  } finally {
    endGroup(npm.pid)
  }
})

describe('the service as a process, with this API as a process', () => {
  const service = forEachTest(() => startMember({ upstream: { url } }))

  test('a session is minted, and faults that are set over HTTP are met', async () => {
    const minted = await service.mint('alice')
    expect(minted.status).toBe(200)
    expect(minted.body).toEqual({ client_secret: expect.stringMatching(/^ek_/) })

    const set = await fetch(new URL('/_embedded/faults', url), {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ status: 403, times: 1 }),
    })
    expect(set.status).toBe(200)
    const refused = await service.mint('alice')
    expect(refused.status).toBe(502)
    expect(refused.body).toMatchObject({ code: 'upstream_auth_failed' })
    expect((await service.mint('alice')).status).toBe(200)
  })
})
