import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { freePort } from '../support/network/listen.ts'
import { DEFAULT_CONFIG, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import {
  endGroup,
  NODE,
  PREPARED,
  startServiceProcess,
  WITHOUT_ENV_FILE,
} from '../support/service-process.ts'
import { forEachTest } from '../support/started.ts'

const upstream = forEachTest(() => startWatchedUpstream())
const env = () => ({
  OPENAI_API_KEY: 'sk-proj-drain-0123456789abcdef',
  OPENAI_BASE_URL: upstream.url,
  TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
})

const ROOT = resolve(import.meta.dirname, '../..')

/** For a process that a test starts by itself. */
function ownEnv() {
  const file = join(scratchFolder(), 'config.yaml')
  writeFileSync(file, DEFAULT_CONFIG)
  return {
    ...WITHOUT_ENV_FILE,
    ...env(),
    HOST: '127.0.0.1',
    METRICS_PORT: '0',
    STORE_URL: 'memory:',
    CONFIG_FILE: file,
  }
}

describe('SIGTERM', () => {
  const service = forEachTest(() => startServiceProcess({ config: DEFAULT_CONFIG, env: env() }))

  let users = 0

  async function mint(): Promise<{ status: number; connection: string | null }> {
    const headers = { authorization: `Bearer ${tokenFor(`user-${users++}`)}` }
    const response = await fetch(`${service.url}/v1/sessions`, { method: 'POST', headers })
    await response.arrayBuffer()
    return { status: response.status, connection: response.headers.get('connection') }
  }

  async function isReady(): Promise<boolean> {
    const response = await fetch(`${service.url}/readyz`)
    await response.arrayBuffer()
    return response.status === 200
  }

  test('under load: no request fails, and the process ends with 0 within 20 s', async () => {
    upstream.api.setFaults({ latency_ms: 30 })
    const answers: Awaited<ReturnType<typeof mint>>[] = []
    let balancerSends = true
    const workers = Array.from({ length: 20 }, async () => {
      while (balancerSends) answers.push(await mint())
    })
    await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThan(0)
    const before = answers.length
    const signalled = performance.now()
    service.child.kill('SIGTERM')
    await expect.poll(isReady, { timeout: 2000, interval: 20 }).toBe(false)
    // A load balancer takes a moment to notice; until then everything is served.
    await expect.poll(() => answers.length, { timeout: 10_000 }).toBeGreaterThan(before)
    upstream.api.setFaults({ latency_ms: 3000 })
    balancerSends = false
    const inFlight = Array.from({ length: 10 }, mint)
    const late = await Promise.all(inFlight)
    await Promise.all(workers)

    expect(new Set([...answers, ...late].map(({ status }) => status))).toEqual(new Set([200]))
    expect(new Set(late.map(({ connection }) => connection))).toEqual(new Set(['close']))
    expect(await service.exited).toEqual({ code: 0, signal: null })
    expect(performance.now() - signalled).toBeLessThan(20_000)
    expect(service.log().map(({ msg }) => msg)).toContain('stopped')
    await expect(fetch(`${service.url}/livez`)).rejects.toThrow()
  })

  test.each([
    ['SIGTERM', 'SIGTERM'],
    ['SIGHUP', 'SIGINT'],
  ] as const)(
    'after %s, a second signal, %s, ends it at once, whatever is in flight',
    async (first, second) => {
      upstream.api.setFaults({ hang: true })
      const hanging = mint()
      const failed = expect(hanging).rejects.toThrow()
      await expect.poll(() => upstream.api.requests().length).toBe(1)
      service.child.kill(first)
      await service.until(() => service.log().find(({ msg }) => msg === 'draining'))
      service.child.kill(second)
      expect(await service.exited).toEqual({ code: 1, signal: null })
      expect(service.log().map(({ msg }) => msg)).not.toContain('stopped')
      await failed
    },
  )
})

test('cancels that hang keep it no longer than 20 s', async () => {
  const member = await startMember({ upstream })
  let hanging = 0
  upstream.instead = (call) => {
    if (!call.url.endsWith('/cancel')) return sleep(3000).then(() => upstream.api.app.fetch(call))
    hanging += 1
    return new Promise(() => {})
  }
  const mint = request(`${member.url}/v1/sessions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokenFor('bob')}`, 'content-type': 'application/json' },
  })
  mint.write('{')
  // The mint has begun when it is revoked, so its session is cancelled: three times, each for 3 s.
  await sleep(1000)
  expect((await member.revoke('bob', 0)).status).toBe(200)
  const signalled = performance.now()
  member.child.kill('SIGTERM')
  await sleep(7000)
  mint.end('}')
  const [refused] = await once(mint, 'response')
  expect(refused.statusCode).toBe(403)
  refused.resume()
  expect(await member.exited).toEqual({ code: 0, signal: null })
  expect(hanging).toBeGreaterThan(1)
  expect(performance.now() - signalled).toBeLessThan(20_000)
  expect(member.log().map(({ msg }) => msg)).toContain('stopped')
})

describe('started through npm', () => {
  test('a copy of the first signal, which npm hands on, is no second one', async () => {
    const started = await startServiceProcess({
      config: DEFAULT_CONFIG,
      env: { ...env(), npm_lifecycle_event: 'start' },
    })
    started.child.kill('SIGINT')
    await started.until(() => started.log().find(({ msg }) => msg === 'draining'))
    started.child.kill('SIGINT')
    expect(await started.exited).toEqual({ code: 0, signal: null })
    expect(started.log().map(({ msg }) => msg)).toContain('stopped')
  })

  test('a SIGTERM to npm alone drains the service, which npm waits for', async () => {
    const npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { ...ownEnv(), PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    })
    try {
      let said = ''
      const onData = (data: Buffer) => {
        said += data
        if (!said.includes('"listening"')) return
        npm.stdout.off('data', onData)
        npm.kill('SIGTERM')
      }
      npm.stdout.on('data', onData)
      const [[code], whole] = await Promise.all([once(npm, 'exit'), text(npm.stdout)])
      expect(code).toBe(0)
      expect(whole).toContain('"msg":"stopped"')
    } finally {
      endGroup(npm.pid)
    }
  })
})

test('a log that cannot be written, because the disk is full, stops neither the service nor its end', async () => {
  const port = await freePort()
  const full = openSync('/dev/full', 'w')
  const child = spawn(NODE, [...PREPARED, 'src/main.ts'], {
    cwd: ROOT,
    env: { ...ownEnv(), PORT: String(port) },
    stdio: ['ignore', full, 'inherit'],
  })
  closeSync(full)
  const exited = once(child, 'exit')
  try {
    const livez = () => fetch(`http://127.0.0.1:${port}/livez`).then((r) => r.status)
    await expect.poll(() => livez().catch(() => 0), { timeout: 10_000 }).toBe(200)
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  } finally {
    child.kill('SIGKILL')
  }
})
