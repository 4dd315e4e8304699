import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { ADMIN_CONFIG } from '../support/admin-calls.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { type Member, startMember, workingSessions } from '../support/fleet.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runToEnd } from '../support/service-process.ts'
import { forEachTest } from '../support/started.ts'
import { kinds, type Load, startLoad, withoutRetryAfter } from './calls.ts'

// The store's file cannot be written for a while, as the whole process sees it, under load.

const WIDGETS = 8

let folder: string
const upstream = forEachTest(() => startWatchedUpstream())

beforeEach(() => {
  folder = scratchFolder()
})

const start = (path: string) => startMember({ upstream, store: `sqlite:${path}` })

/** Checks before, during and after the fault what was answered, and what the store then holds. */
async function drill(
  service: Member,
  fault: { take: () => unknown; giveBack: () => unknown },
): Promise<void> {
  for (let at = 0; at < 3; at++) expect((await service.mint('mallory')).status).toBe(200)
  const held = workingSessions(upstream, 'mallory')
  const widgets = startLoad(WIDGETS, (at) => service.mint(`user-${at}`), 50)
  await widgets.next(WIDGETS)
  await fault.take()
  await sleep(300)
  const during = await widgets.next(10 * WIDGETS)
  expect(kinds(during)).toEqual(new Set(['store_unavailable']))
  expect(withoutRetryAfter(during)).toEqual([])
  for (let at = 0; at < 5; at++) {
    const revoked = await service.revoke('mallory', 3600)
    expect(kinds([revoked])).toEqual(new Set(['store_unavailable']))
  }
  expect(workingSessions(upstream, 'mallory')).toEqual(held)
  expect(await service.statusOf('/livez')).toBe(200)
  expect(await service.statusOf('/readyz')).toBe(503)

  await fault.giveBack()
  const back = performance.now()
  const ready = () => service.statusOf('/readyz')
  await expect.poll(ready, { timeout: 5_000, interval: 20 }).toBe(200)
  expect(kinds(await widgets.next(5 * WIDGETS))).toEqual(new Set([200]))
  expect(performance.now() - back).toBeLessThan(5_000)
  expect((await service.revoke('mallory', 3600)).body.cancelled.length).toBe(held.length)
  expect((await service.mint('mallory')).code).toBe('user_blocked')
  expect(kinds(await widgets.stop())).toEqual(new Set([200, 'store_unavailable']))
  await expectOnTheBooks(service, widgets)
}

/** Every secret that left belongs to a session of the registry, and every other session has ended upstream. */
async function expectOnTheBooks(service: Member, widgets: Load): Promise<void> {
  const out = new Set(widgets.answers.map(({ secret }) => secret))
  const made = upstream.api.sessions().filter(({ user }) => user !== 'mallory')
  for (const { id } of made.filter((session) => out.has(session.client_secret)).slice(-40)) {
    expect((await service.admin(`GET /sessions/${id}`)).status).toBe(200)
  }
  const working = () =>
    upstream.api
      .sessions()
      .filter(({ user, status }) => user !== 'mallory' && status === 'active')
      .filter((session) => !out.has(session.client_secret))
  await expect.poll(working, { timeout: 5_000 }).toEqual([])
}

const file = () => join(folder, 'mint.db')

test('locked by another process: 503 until it lets go, never a revoke that does not hold', async () => {
  const service = await start(file())
  // Patient, so that it gets the lock between two writes of the service.
  const other = new DatabaseSync(file(), { timeout: 5_000 })
  await drill(service, {
    take: () => other.exec('BEGIN IMMEDIATE'),
    giveBack: () => other.exec('ROLLBACK'),
  })
  other.close()
}, 40_000)

/** Whether this machine can bound the files that a running process may write. */
const canBoundFiles = () => ['/usr/bin/prlimit', '/bin/prlimit'].some((path) => existsSync(path))

describe.runIf(canBoundFiles())('with prlimit', () => {
  test('a file that can no longer grow: 503 until it can, and a restart finds all', async () => {
    const service = await start(file())
    const bound = (bytes: string) =>
      execFileSync('prlimit', ['--pid', String(service.child.pid), `--fsize=${bytes}:`])
    await drill(service, { take: () => bound('4096'), giveBack: () => bound('unlimited') })
    await expectBlockAfterCrash(service, file())
  }, 40_000)
})

async function expectBlockAfterCrash(service: Member, path: string): Promise<void> {
  service.child.kill('SIGKILL')
  await service.exited
  const again = await start(path)
  expect((await again.mint('mallory')).code).toBe('user_blocked')
  expect((await again.mint('user-0')).status).toBe(200)
}

/** A file system of its own, large enough for SQLite's log, where this machine lets us make one. */
function mountSmall(): string {
  const at = join(folder, 'small')
  mkdirSync(at)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', at], { stdio: 'ignore' })
  onTestFinished(() => void execFileSync('umount', [at]))
  return at
}

function canMount(): boolean {
  const at = mkdtempSync(join(tmpdir(), 'mount-'))
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at], { stdio: 'ignore' })
    execFileSync('umount', [at])
    return true
  } catch {
    return false
  } finally {
    rmSync(at, { recursive: true })
  }
}

describe.runIf(canMount())('on a file system of its own', () => {
  test('full: 503 until there is space, and a restart finds all', async () => {
    const path = join(mountSmall(), 'mint.db')
    const service = await start(path)
    const filler = join(folder, 'small', 'filler')
    const fillUp = () => {
      try {
        writeFileSync(filler, Buffer.alloc(64 * 1024 * 1024))
      } catch (error) {
        expect(error).toMatchObject({ code: 'ENOSPC' })
      }
    }
    await drill(service, { take: fillUp, giveBack: () => rmSync(filler) })
    await expectBlockAfterCrash(service, path)
  }, 40_000)

  test('read-only at the start: exit 74 and the reason, no port', async () => {
    const path = join(mountSmall(), 'mint.db')
    const first = await start(path)
    expect((await first.mint('alice')).status).toBe(200)
    first.child.kill('SIGKILL')
    await first.exited
    execFileSync('mount', ['-o', 'remount,ro', join(folder, 'small')])
    const ended = await runToEnd({
      config: ADMIN_CONFIG,
      env: {
        STORE_URL: `sqlite:${path}`,
        OPENAI_API_KEY: 'sk-test-drill-0123456789abcdef',
        OPENAI_BASE_URL: upstream.url,
        TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
      },
    })
    expect(ended.code).toBe(74)
    expect(ended.stderr).toMatch(
      /^STORE_URL: .*cannot be used: .*(read-?only|EROFS).*; mount a volume there/,
    )
    expect(ended.stdout).not.toContain('"listening"')
  })
})
