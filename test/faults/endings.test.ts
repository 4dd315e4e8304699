import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { createsSeen, type Member, startMember, workingSessions } from '../support/fleet.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'
import { kinds, type Load, startLoad } from './calls.ts'

// The process is told to end while widgets mint and an admin revokes, and the upstream confirms no cancel: what
// was answered holds in the next process on the same file. It is killed in ../process/crash.test.ts.

const WIDGETS = 10
const REVOKED = ['mallory', 'trudy', 'oscar']

let folder: string
const upstream = forEachTest(() => startWatchedUpstream())

beforeEach(() => {
  folder = scratchFolder()
})

/** With the time from the start of the process until it is ready. */
async function start(store = folder): Promise<{ service: Member; readyMs: number }> {
  const begun = performance.now()
  const service = await startMember({ upstream, store: `sqlite:${join(store, 'mint.db')}` })
  expect(await service.statusOf('/readyz')).toBe(200)
  return { service, readyMs: performance.now() - begun }
}

const startWidgets = (service: Member) => startLoad(WIDGETS, (at) => service.mint(`user-${at}`), 20)

/** Blocks each user while the upstream refuses cancels; returns the sessions that must still be ended. */
async function revokeAll(service: Member): Promise<readonly string[]> {
  upstream.instead = (request) =>
    request.url.endsWith('/cancel') ? new Response(null, { status: 500 }) : undefined
  const owed: string[] = []
  for (const user of REVOKED) {
    const revoked = await service.revoke(user, 3600)
    expect(revoked.status).toBe(200)
    expect(revoked.body.cancelled).toEqual([])
    owed.push(...revoked.body.cancelling)
  }
  expect(owed.length).toBe(2 * REVOKED.length)
  return owed
}

/** SIGTERM as an orchestrator does it: the balancer stops sending when `/readyz` says so. */
async function terminate(service: Member, widgets: Load): Promise<void> {
  service.child.kill('SIGTERM')
  await expect.poll(() => service.statusOf('/readyz'), { timeout: 2000, interval: 10 }).toBe(503)
  await widgets.next(WIDGETS)
  expect(kinds(await widgets.stop())).toEqual(new Set([200]))
  expect(await service.exited).toEqual({ code: 0, signal: null })
}

async function expectHeld(service: Member, owed: readonly string[]): Promise<void> {
  upstream.instead = undefined
  upstream.api.clearRequests()
  for (const user of REVOKED) expect((await service.mint(user)).code).toBe('user_blocked')
  expect(createsSeen(upstream)).toBe(0)
  const working = () => REVOKED.flatMap((user) => workingSessions(upstream, user))
  await expect.poll(working, { timeout: 10_000 }).toEqual([])
  for (const id of owed) {
    const status = async () => (await service.admin(`GET /sessions/${id}`)).body
    await expect.poll(status, { timeout: 3_000 }).toMatchObject({ status: 'cancelled' })
  }
}

async function expectOnTheBooks(service: Member, widgets: Load): Promise<void> {
  const bySecret = new Map(upstream.api.sessions().map((one) => [one.client_secret, one.id]))
  const latest = widgets.answers.slice(-60)
  for (const { secret = '' } of latest) {
    expect((await service.admin(`GET /sessions/${bySecret.get(secret) ?? 'none'}`)).status).toBe(
      200,
    )
  }
}

test('SIGTERM: blocks, sessions and outbox are intact, and the next is ready as soon as a new one', async () => {
  const { service } = await start()
  for (const user of [...REVOKED, ...REVOKED]) expect((await service.mint(user)).status).toBe(200)
  const widgets = startWidgets(service)
  await widgets.next(5 * WIDGETS)
  const owed = await revokeAll(service)
  await terminate(service, widgets)
  expect(REVOKED.flatMap((user) => workingSessions(upstream, user))).toHaveLength(owed.length)

  // Side by side, so that the machine is as busy for one as for the other.
  const [next, beside] = await Promise.all([start(), start(scratchFolder())])
  expect(next.readyMs).toBeLessThan(2 * beside.readyMs)
  await expectOnTheBooks(next.service, widgets)
  await expectHeld(next.service, owed)
  const again = startWidgets(next.service)
  expect(kinds(await again.next(WIDGETS))).toEqual(new Set([200]))
  await again.stop()
}, 40_000)
