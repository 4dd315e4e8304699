import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { entry, hashOf } from '../contracts/registry-fixtures.ts'
import { startScriptedUpstream } from '../support/chatkit/scripted-upstream.ts'
import { startMember } from '../support/fleet.ts'
import type { Seen } from '../support/network/clients.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'
import { kinds, withoutRetryAfter } from './calls.ts'

// After an outage of the network every open chat asks for a new secret in the same moment.

const HERD = 10_000
const UPSTREAM_MS = 50
/** Enough for the herd's connections, far too little for what its requests would hold unbounded. */
const HEAP_MB = 384

const upstream = forEachTest(() => startScriptedUpstream())
const service = forEachTest(async () => {
  const path = join(scratchFolder(), 'mint.db')
  await fill(path)
  upstream.creates = [{ kind: 'ok', ms: UPSTREAM_MS }]
  return startMember({
    upstream,
    store: `sqlite:${path}`,
    nodeArguments: [`--max-old-space-size=${HEAP_MB}`],
  })
})

const user = (at: number) => `user-${at}`
const heldId = (at: number) => `cksess_held_${at}`
const heldSecret = (at: number) => `ek_held_${at}`

/** A live session for each user of the herd. */
async function fill(path: string): Promise<void> {
  const registry = createSqliteRegistry({ path })
  const now = Math.floor(Date.now() / 1000)
  await eachBounded([...Array(HERD).keys()], 512, async (at) => {
    const of = { id: heldId(at), user: user(at), subject: user(at), createdAt: now }
    const held = { ...of, expiresAt: now + 600, secretHash: hashOf(heldSecret(at)) }
    await registry.record(entry(held, { now }))
  })
  await registry.close()
}

const refresh = (at: number) => service.mint(user(at), { current_client_secret: heldSecret(at) })

/** Sessions of before that were cancelled; what could not be recorded was cancelled too. */
function cancelledOfBefore(): ReadonlySet<string> {
  const ids = upstream.cancellations().map(({ path }) => path.split('/').at(-2) ?? '')
  return new Set(ids.filter((id) => id.startsWith(heldId(0).slice(0, -1))))
}

/** Users who were refused mint again after `Retry-After`, and so do others. */
async function expectAsBefore(refused: readonly number[]): Promise<void> {
  const ask = async () => {
    const again = refused.slice(0, 100).map(refresh)
    const late = Array.from({ length: 50 }, (_, at) => service.mint(`late-${at}`))
    return kinds(await Promise.all([...again, ...late]))
  }
  // By then a breaker that opened because we were slow ourselves has closed.
  await expect.poll(ask, { timeout: 5_000, interval: 250 }).toEqual(new Set([200]))
  expect(await service.statusOf('/livez')).toBe(200)
  expect(await service.statusOf('/readyz')).toBe(200)
}

const isRefusal = ({ status }: Seen) => status === 503 || status === 429

/** On a busy machine: not read within 5 s, or its upstream call not answered within 8 s. */
const isLate = ({ code }: Seen) => code === 'request_timeout' || code === 'upstream_timeout'

test(`${HERD} refreshes at once: each gets an answer, and later mints work as before`, async () => {
  const herd = [...Array(HERD).keys()]
  const answers = await Promise.all(herd.map(refresh))
  const which = (wanted: (seen: Seen) => boolean) =>
    answers.flatMap((seen, at) => (wanted(seen) ? [at] : []))
  const minted = which(({ status }) => status === 200)
  const [refused, late] = [which(isRefusal), which(isLate)]
  const came = `${minted.length} of ${[...kinds(answers)].join(', ')}`
  expect(minted.length + refused.length + late.length, came).toBe(HERD)
  expect(withoutRetryAfter(answers)).toEqual([])
  expect(minted.length, came).toBeGreaterThan(0)
  expect(late.length, came).toBeLessThan(HERD / 10)

  const asked = new Set(upstream.creations().map(({ body }) => JSON.parse(body).user))
  const shed = which(({ code }) => code === 'overloaded').map(user)
  expect(shed.filter((name) => asked.has(name))).toEqual([])
  // Replaced sessions end upstream; users who were refused lose none.
  const replaced = new Set(minted.map(heldId))
  const allEnded = () => expect(cancelledOfBefore().size).toBe(replaced.size)
  await vi.waitFor(allEnded, { timeout: 20_000, interval: 100 })
  expect(cancelledOfBefore()).toEqual(replaced)
  await expectAsBefore(refused)
}, 180_000)
