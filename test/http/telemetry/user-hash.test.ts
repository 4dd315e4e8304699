import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startUserHash } from '../../../src/http/telemetry/user-hash.ts'
import { eventually } from '../../support/eventually.ts'
import { recordingLog } from '../../support/issuer-settings.ts'

/** Two instances on one store that keeps a key, and that can be down. */
function scene({ away }: { readonly away: boolean }) {
  const store = { away, asked: 0, kept: undefined as Uint8Array | undefined }
  const { log, lines: said } = recordingLog()
  const registry = {
    async keptKey(_name: string, make: () => Uint8Array) {
      store.asked++
      if (store.away) throw new Error('away')
      store.kept ??= make()
      return store.kept
    },
  }
  const ended = new AbortController()
  return { store, said, ended, start: () => startUserHash({ registry, log, ended: ended.signal }) }
}

test('a user has the same hash on every instance and after a restart, and another one with another store', async () => {
  const { start, said } = scene({ away: false })
  const [one, other] = [await start(), await start()]
  expect(one('alice')).toMatch(/^[0-9a-f]{16}$/)
  expect(other('alice')).toBe(one('alice'))
  expect(one('bob')).not.toBe(one('alice'))
  const elsewhere = await scene({ away: false }).start()
  expect(elsewhere('alice')).not.toBe(one('alice'))
  expect(said).toEqual([])
})

test('without the store nobody is named; once it answers, all instances hash alike', async () => {
  const { start, store, said } = scene({ away: true })
  const [one, other] = await Promise.all([start(), start()])
  expect([one('alice'), other('alice')]).toEqual([undefined, undefined])
  expect(said).toMatchObject([
    { level: 40, msg: expect.stringContaining('does not answer') },
    { level: 40 },
  ])
  store.away = false
  await eventually(() => expect(one('alice')).toMatch(/^[0-9a-f]{16}$/))
  await eventually(() => expect(other('alice')).toBe(one('alice')))
  const { asked } = store
  await sleep(150)
  expect(store.asked).toBe(asked)
})

test('a store that answers soon after the start is waited for', async () => {
  const { start, store, said } = scene({ away: true })
  const starting = start()
  store.away = false
  expect((await starting)('alice')).toMatch(/^[0-9a-f]{16}$/)
  expect([store.asked, said]).toEqual([2, []])
})

test('a service that has ended asks no more', async () => {
  const { start, store, ended } = scene({ away: true })
  await start()
  ended.abort()
  await sleep(100)
  const { asked } = store
  await sleep(150)
  expect(store.asked).toBe(asked)
})
