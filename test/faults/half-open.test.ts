import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { forEachTest } from '../support/started.ts'
import { kinds, quantile, startLoad } from './calls.ts'

// Clients that connect and never finish a request, by the thousand, beside good ones.

/** 5,000, or fewer if this process and the service may not open so many files. */
const MOST = Math.min(5_000, openFilesAllowed() - 500)
const UPSTREAM_MS = 40
/** One third says nothing, one third half a line, one third a header that does not end. */
const BEGINNINGS = [
  '',
  'POST /v1/sess',
  'POST /v1/sessions HTTP/1.1\r\nHost: mint.example\r\nX-A: ',
]

let sockets: Socket[]

const upstream = forEachTest(() => startWatchedUpstream())
beforeEach(() => {
  upstream.api.setFaults({ latency_ms: UPSTREAM_MS })
  sockets = []
})
const service = forEachTest(() => startMember({ upstream }))
afterEach(() => {
  for (const socket of sockets) socket.destroy()
})

function openFilesAllowed(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8')
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 1024)
  } catch {
    return 1024
  }
}

/** Outcome of the connections. */
interface Fate {
  opened: number
  closed: number
  firstBytes: Set<string>
}

async function openHalf(count: number, fate: Fate): Promise<void> {
  const { hostname, port } = new URL(service.url)
  for (let from = 0; from < count; from += 250) {
    const batch = Array.from({ length: Math.min(250, count - from) }, async (_, at) => {
      const socket = connect(Number(port), hostname)
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => fate.closed++)
      socket.on('data', (bytes) => fate.firstBytes.add(bytes.toString('latin1').slice(0, 12)))
      await once(socket, 'connect')
      fate.opened++
      socket.write(BEGINNINGS[at % BEGINNINGS.length] ?? '')
    })
    await Promise.all(batch)
  }
}

test(`${MOST} half-open connections: good users mint as before, and each of the others is closed`, async () => {
  const users = startLoad(8, (at) => service.mint(`user-${at}`), 10)
  const before = await users.next(150)
  const fate: Fate = { opened: 0, closed: 0, firstBytes: new Set() }
  const begun = performance.now()
  await openHalf(MOST, fate)
  const beside = await users.next(150)
  expect(fate.opened).toBe(MOST)
  await expect.poll(() => fate.closed, { timeout: 15_000 }).toBe(MOST)
  const during = users.between(begun, performance.now())
  expect(kinds(await users.stop())).toEqual(new Set([200]))
  expect(fate.firstBytes).toEqual(new Set(['HTTP/1.1 408']))
  expect(during.length).toBeGreaterThanOrEqual(beside.length)
  // The upstream's time is in both, so that a busy machine makes less of a difference.
  expect(quantile(beside, 0.5)).toBeLessThan(3 * quantile(before, 0.5))
  expect(await service.statusOf('/readyz')).toBe(200)
}, 40_000)
