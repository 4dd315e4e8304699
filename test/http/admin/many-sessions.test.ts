import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { eachBounded } from '../../../src/lib/concurrency.ts'
import type { Registry } from '../../../src/registry/port.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { entry } from '../../contracts/registry-fixtures.ts'
import { ADMIN_CONFIG, callAdmin, expectRefusedMint, revoke } from '../../support/admin-calls.ts'
import { startWatchedUpstream } from '../../support/chatkit/watched-upstream.ts'
import { type Running, startService, tokenFor } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forEachTest } from '../../support/started.ts'

/** More than one page of a list. At 400 ms a cancel, they take longer than a revoke waits. */
const MANY = 2000
const folder = scratchFolder()
const seeded = join(folder, 'seeded.db')
let copies = 0

beforeAll(async () => {
  const registry = createSqliteRegistry({ path: seeded })
  await seed(registry)
  await registry.close()
})

// `memory:` is the same code without a file.
describe('a user of 2,000 live sessions', () => {
  let registry: Registry
  let running: Running
  /** The cancels that the upstream has seen. */
  let seen: { underWay: number; most: number; byId: Map<string, number> }

  const upstream = forEachTest(() => startWatchedUpstream())
  beforeEach(async () => {
    const path = join(folder, `${copies++}.db`)
    cpSync(seeded, path)
    registry = createSqliteRegistry({ path })
    running = await startService({
      config: ADMIN_CONFIG,
      env: { OPENAI_BASE_URL: upstream.url },
      registry,
    })
    seen = { underWay: 0, most: 0, byId: new Map() }
  })

  /** Answers cancels after `ms` with `status`; 404 counts as cancelled. */
  function answerCancels(status: number, ms: number): void {
    upstream.instead = async (request) => {
      const id = /sessions\/([^/]+)\/cancel$/.exec(request.url)?.[1]
      if (id === undefined) return new Response('{}', { status: 500 })
      seen.underWay += 1
      seen.most = Math.max(seen.most, seen.underWay)
      seen.byId.set(id, (seen.byId.get(id) ?? 0) + 1)
      await sleep(ms)
      seen.underWay -= 1
      return new Response('{}', { status, headers: { 'content-type': 'application/json' } })
    }
  }

  const expectAllEnded = () =>
    expect
      .poll(() => registry.figures(now()), { timeout: 30_000, interval: 100 })
      .toEqual({ activeSessions: 0, outboxLength: 0 })

  test('loses all of them, at most 64 at a time, and the answer names each', async () => {
    answerCancels(404, 3)
    const { cancelled, cancelling } = await revoke(running, 'crowd', { block_seconds: 600 })
    // A busy machine leaves some to the outbox.
    expect(cancelled.length).toBeGreaterThan(MANY / 4)
    expect(cancelled.length + cancelling.length).toBe(MANY)
    expect(new Set([...cancelled, ...cancelling]).size).toBe(MANY)
    await expectAllEnded()
    expect(seen.byId.size).toBe(MANY)
    expect(seen.most).toBeLessThanOrEqual(64)
    expect(seen.most).toBeGreaterThan(32)
  })

  test('gets an answer before a slow upstream has ended all, and the rest end afterwards', async () => {
    answerCancels(404, 400)
    const answer = await revoke(running, 'crowd', { block_seconds: 600 })
    expect(answer.cancelled.length + answer.cancelling.length).toBe(MANY)
    expect(answer.cancelling.length).toBeGreaterThan(0)
    expect(seen.most).toBeLessThanOrEqual(64)
    answerCancels(404, 3)
    await expectAllEnded()
    // Each once: the outbox does not cancel sessions that the revoke is still going to cancel.
    expect(seen.byId.size).toBe(MANY)
    expect(Math.max(...seen.byId.values())).toBe(1)
  })

  test('is blocked while the upstream fails, and all sessions end when it is back', async () => {
    answerCancels(500, 3)
    const answer = await revoke(running, 'crowd', { block_seconds: 600 })
    expect(answer.cancelled).toEqual([])
    expect(new Set(answer.cancelling).size).toBe(MANY)
    await expectRefusedMint(running, tokenFor('crowd'), [403, 'user_blocked'])
    answerCancels(404, 3)
    await expectAllEnded()
    expect(seen.most).toBeLessThanOrEqual(64)
    const list = await callAdmin(running, 'GET /sessions?user=crowd&status=cancelled&limit=0')
    expect(list.json()).toMatchObject({ has_more: true })
  })
})

function now(): number {
  return Math.floor(Date.now() / 1000)
}

async function seed(registry: Registry): Promise<void> {
  const cap = { max: MANY, whenFull: 'deny' } as const
  const session = { user: 'crowd', createdAt: now(), expiresAt: now() + 600 }
  const ids = Array.from({ length: MANY }, (_, at) => `cksess_crowd_${at}`)
  // Writes of one turn share a commit.
  await eachBounded(ids, 50, async (id) => {
    await registry.record(entry({ ...session, id, secretHash: id }, { cap, now: now() }))
  })
}
