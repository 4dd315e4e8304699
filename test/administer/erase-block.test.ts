import { beforeEach, describe, expect, test } from 'vitest'
import { blockForErase } from '../../src/administer/erase-block.ts'
import { createAdministerRevokes } from '../../src/administer/revokes.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createRevoke } from '../../src/revoke/revoke.ts'
import { NOW, order } from '../contracts/registry-fixtures.ts'
import { plain, userId } from '../support/ids.ts'

const alice = userId('alice')
const by = 'idp|ada'

let registry: Registry
let seconds: number
const now = () => seconds * 1000
beforeEach(() => {
  registry = createSqliteRegistry({ path: ':memory:' })
  seconds = NOW
})

const begin = () => blockForErase({ registry, now }, { user: alice, by })
const block = () => registry.getBlock(alice, seconds)
const revoke = (until?: number) => {
  const given = until === undefined ? undefined : { until, reason: undefined, by: 'idp|eve' }
  return plain(registry).revoke(order({ block: given, now: seconds }))
}

describe('blocks of erases of one user on two instances', () => {
  test('that begin in the same moment end with the last erase', async () => {
    const [first, second] = await Promise.all([begin(), begin()])
    await first.lift()
    expect(await block()).toBeDefined()
    await second.lift()
    expect(await block()).toBeUndefined()
  })

  const inTurn = (apart: number) => async () => {
    const first = await begin()
    seconds += apart
    return [first, await begin()] as const
  }
  const together = () => Promise.all([begin(), begin()])
  test.each([
    ['a moment apart', inTurn(0)],
    ['some seconds apart', inTurn(5)],
    ['before either has blocked', together],
  ])('that begin %s and are renewed end with the later erase', async (_, both) => {
    const [first, second] = await both()
    for (let minutes = 0; minutes < 10; minutes++) {
      seconds += 55
      await first.renew()
      seconds += 5
      await second.renew()
      expect((await block())?.until).toBeGreaterThanOrEqual(seconds + 300)
    }
    await first.lift()
    expect(await block()).toBeDefined()
    await second.lift()
    expect(await block()).toBeUndefined()
  })

  test('go on when the other instance has died', async () => {
    const first = await begin()
    seconds += 5
    await begin()
    for (let minutes = 0; minutes < 10; minutes++) {
      seconds += 60
      expect(await block()).toBeDefined()
      await first.renew()
    }
  })

  test.each(['renew', 'hold'] as const)(
    'begin anew when the other erase lifted the block, by %s',
    async (check) => {
      const first = await begin()
      seconds += 5
      await (await begin()).lift()
      expect(await block()).toBeUndefined()
      seconds += 55
      await first[check]()
      expect(await block()).toMatchObject({ until: seconds + 300 })
      await first.lift()
      expect(await block()).toBeUndefined()
    },
  )
})

test('the block that an earlier erase left is the one of the admin who repeats it', async () => {
  await begin()
  seconds += 1
  await blockForErase({ registry, now }, { user: alice, by: 'idp|eve' })
  expect(await block()).toMatchObject({ by: 'idp|eve' })
})

test.each(['before', 'after'])(
  'a sign-out and a logout %s a renewal do not keep the block after the erase',
  async (when) => {
    const erase = await begin()
    const end = async () => {
      await revoke()
      await plain(registry).revoke(order({ identity: { issuer: 'idp' }, now: seconds }))
    }
    seconds += 60
    if (when === 'before') await end()
    await erase.renew()
    if (when === 'after') await end()
    expect(await block()).toMatchObject({ until: seconds + 300 })
    await erase.lift()
    expect(await block()).toBeUndefined()
  },
)

test('a block that holds is not written again', async () => {
  const erase = await begin()
  const held = await block()
  seconds += 60
  await erase.hold()
  expect(await block()).toEqual(held)
})

describe('a block of an admin', () => {
  test.each([30, 3600])('of %i s, set before a renewal, is not lifted', async (length) => {
    const erase = await begin()
    await revoke(seconds + length)
    seconds += 60
    await erase.renew()
    await erase.lift()
    expect(await block()).toBeDefined()
  })

  test('set while the erase begins is not lifted', async () => {
    const [erase] = await Promise.all([begin(), revoke(seconds + 3600)])
    await erase.lift()
    expect(await block()).toMatchObject({ until: seconds + 3600, by: 'idp|eve' })
  })

  test('shorter than what a failed erase has left is not lifted when the erase is repeated', async () => {
    await begin()
    seconds += 10
    const canceller = {
      cancelAll: async () => ({ cancelled: [], cancelling: [] }),
      cancelSoon() {},
    }
    const { revokeUser } = createAdministerRevokes({
      registry,
      revoke: createRevoke({ registry, canceller, now }),
      audit: { write: async () => {} },
      issuers: [],
      now,
    })
    const request = { actor: 'idp|eve', ownUser: userId('eve'), requestId: 'req_1', route: '' }
    const command = { user: alice, blockSeconds: 120, reason: 'stolen' }
    const { blockedUntil } = await revokeUser(request, command)
    const again = await begin()
    await again.lift()
    expect(await block()).toMatchObject({ reason: 'stolen', by: 'idp|eve' })
    expect(blockedUntil).toBeGreaterThanOrEqual(seconds + 290)
  })
})
