import type { JWK } from 'jose'
import { describe, expect, test } from 'vitest'
import { createRemoteKeys } from '../../../src/authenticate/keys/remote-keys.ts'
import { ServiceError } from '../../../src/lib/errors.ts'
import { usableKeys } from '../../../src/lib/key-set.ts'
import { recordingLog, stoppedClock } from '../../support/issuer-settings.ts'
import { createSigner } from '../../support/tokens.ts'

const first = createSigner('ES256', 'first')
const second = createSigner('ES256', 'second')
const published = (...signers: { publicJwk: Record<string, unknown> }[]) =>
  usableKeys({ keys: signers.map(({ publicJwk }) => publicJwk) }, () => undefined)
const header = (kid: string) => ({ alg: 'ES256', kid, typ: undefined })

/** A key set whose source the test controls: its keys, whether it fails, and when it answers. */
function setUp(staleSeconds = 86_400) {
  const clock = stoppedClock()
  const { log, lines } = recordingLog()
  const source = {
    keys: published(first) as readonly JWK[],
    down: false,
    fetches: 0,
    gate: Promise.resolve(),
  }
  const load = async () => {
    source.fetches += 1
    await source.gate
    if (source.down) throw new ServiceError('idp_unavailable', { reason: 'down' })
    return source.keys
  }
  const keys = createRemoteKeys({ issuer: 'https://id', staleSeconds, load, now: clock.now, log })
  const found = async (kid: string) => (await keys.find(header(kid))).keys.length
  /** Finds a key, and waits for the fetch that this began in the background. */
  const use = async (kid = 'first') => {
    const count = await found(kid)
    await new Promise((resolve) => setImmediate(resolve))
    return count
  }
  return { clock, source, keys, lines, found, use }
}

const outage = { code: 'idp_unavailable', retryAfterSeconds: 5 }

describe('life of a set', () => {
  test('a key set is fetched when first needed, once for all requests that wait', async () => {
    const { source, found, keys } = setUp()
    expect(keys.state()).toEqual({ usable: false, ageSeconds: undefined })
    expect(await Promise.all([found('first'), found('first'), found('first')])).toEqual([1, 1, 1])
    expect(source.fetches).toBe(1)
    expect(keys.state()).toEqual({ usable: true, ageSeconds: 0 })
  })

  test('a key set serves for 8 minutes without a fetch, and is then refreshed in the background', async () => {
    const { clock, source, use, found, keys } = setUp()
    await use()
    clock.advance(479)
    await use()
    expect(source.fetches).toBe(1)
    clock.advance(1)
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    source.gate = gate
    expect(await found('first')).toBe(1)
    expect(source.fetches).toBe(2)
    expect(keys.state().ageSeconds).toBe(480)
    open()
    await use()
    expect(keys.state().ageSeconds).toBe(0)
  })

  test('a request waits for one fetch when the key set is older than 10 minutes', async () => {
    const { clock, source, found, use } = setUp()
    await use()
    clock.advance(601)
    source.keys = published(first, second)
    expect(await Promise.all([found('second'), found('second')])).toEqual([1, 1])
    expect(source.fetches).toBe(2)
  })

  test('keys that are fetched again unchanged are not imported again', async () => {
    const { clock, keys, use } = setUp()
    await use()
    const before = await keys.find(header('first'))
    clock.advance(601)
    const after = await keys.find(header('first'))
    expect(after.keys[0]).toBe(before.keys[0])
    expect(after.version).toBe(before.version)
  })

  test('warm fetches only a key set that is missing or older than 8 minutes', async () => {
    const { clock, source, keys } = setUp()
    await keys.warm()
    expect(keys.state().usable).toBe(true)
    await keys.warm()
    clock.advance(479)
    await keys.warm()
    expect(source.fetches).toBe(1)
    clock.advance(1)
    await keys.warm()
    expect(source.fetches).toBe(2)
  })
})

describe('pace of fetches', () => {
  test('the pause between two fetches counts from start to start', async () => {
    const { clock, source, keys } = setUp()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    source.gate = gate
    const first = keys.warm()
    clock.advance(4)
    open()
    await first
    clock.advance(0.999)
    expect(await keys.renewedSince(1)).toBe(false)
    expect(source.fetches).toBe(1)
    clock.advance(0.001)
    expect(await keys.renewedSince(1)).toBe(false)
    expect(source.fetches).toBe(2)
  })

  test('a fetch that takes longer than the pause is joined, not repeated', async () => {
    const { clock, source, keys } = setUp()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    source.gate = gate
    const joined: string[] = []
    const first = keys.warm().then(() => joined.push('first'))
    clock.advance(60)
    const second = keys.warm().then(() => joined.push('second'))
    await new Promise((resolve) => setImmediate(resolve))
    expect({ fetches: source.fetches, joined }).toEqual({ fetches: 1, joined: [] })
    open()
    await Promise.all([first, second])
    expect(joined.sort()).toEqual(['first', 'second'])
  })

  test('a clock that is set back does not stop the fetches', async () => {
    const { clock, source, keys, use } = setUp()
    await use()
    clock.advance(-3600)
    await keys.renewedSince(1)
    expect(source.fetches).toBe(2)
  })

  test('a key that the issuer removed does not count for longer when the clock is set back', async () => {
    const { clock, source, found } = setUp()
    source.keys = published(first, second)
    expect(await found('second')).toBe(1)
    source.keys = published(first)
    clock.advance(-3600)
    expect(await found('second')).toBe(0)
    expect(await found('first')).toBe(1)
    expect(source.fetches).toBe(2)
  })

  test('known keys serve through an outage that begins when the clock is set back', async () => {
    const { clock, source, found } = setUp()
    await found('first')
    source.down = true
    clock.advance(-3600)
    expect(await found('first')).toBe(1)
    expect(await found('first')).toBe(1)
    expect(source.fetches).toBe(2)
  })
})

describe('outage', () => {
  test('without known keys every token is idp_unavailable, with one fetch in 5 s', async () => {
    const { clock, source, found } = setUp()
    source.down = true
    const refused = await Promise.allSettled([found('first'), found('x'), found('first')])
    for (const result of refused) expect(result).toMatchObject({ reason: outage })
    clock.advance(4.999)
    await expect(found('first')).rejects.toMatchObject(outage)
    expect(source.fetches).toBe(1)
    for (let i = 2; i < 20; i++) {
      clock.advance(5)
      await expect(found('first')).rejects.toMatchObject(outage)
      expect(source.fetches).toBe(i)
    }
    source.down = false
    clock.advance(5)
    expect(await found('first')).toBe(1)
  })

  test('known keys serve for 24 h of an outage, and then tokens are idp_unavailable', async () => {
    const { clock, source, found, use } = setUp()
    await use()
    source.down = true
    clock.advance(86_399)
    expect(await use()).toBe(1)
    clock.advance(1)
    expect(await use()).toBe(1)
    clock.advance(1)
    await expect(found('first')).rejects.toMatchObject(outage)
    source.down = false
    clock.advance(5)
    expect(await found('first')).toBe(1)
  })

  test('fetches back off to 5, 10, 20 and 30 s while known keys serve, and no answer waits for one', async () => {
    const { clock, source, use } = setUp()
    await use()
    source.down = true
    clock.advance(600)
    await use()
    const starts: number[] = []
    for (let second = 1; second <= 130; second++) {
      clock.advance(1)
      const before = source.fetches
      expect(await use()).toBe(1)
      if (source.fetches > before) starts.push(second)
    }
    expect(starts).toEqual([5, 15, 35, 65, 95, 125])
  })

  test('after a failure, an answer by known keys does not wait for a fetch that hangs', async () => {
    const { clock, source, found, use } = setUp()
    await use()
    source.down = true
    clock.advance(601)
    await use()
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    source.gate = gate
    clock.advance(5)
    expect(await found('first')).toBe(1)
    expect(source.fetches).toBe(3)
    open()
  })

  test.each([
    [0, 5],
    [4, 5],
    [60, 60],
    [599, 599],
    [601, 601],
  ])(
    'with stale_keys_seconds of %i, keys serve for %i seconds of an outage',
    async (stale, seconds) => {
      const { clock, source, found, use } = setUp(stale)
      await use()
      source.down = true
      clock.advance(seconds)
      expect(await use()).toBe(1)
      clock.advance(5)
      await expect(found('first')).rejects.toMatchObject(outage)
      source.down = false
      clock.advance(5)
      expect(await use()).toBe(1)
    },
  )

  test('with stale_keys_seconds of 60, a key set serves for 48 seconds without a fetch', async () => {
    const { clock, source, use } = setUp(60)
    await use()
    clock.advance(47)
    await use()
    expect(source.fetches).toBe(1)
    clock.advance(1)
    await use()
    expect(source.fetches).toBe(2)
  })
})

describe('newer keys', () => {
  test('newer keys are fetched at most once in 5 s, whatever tokens ask for', async () => {
    const { clock, source, keys, use } = setUp()
    await use()
    const { version } = await keys.find(header('unknown'))
    expect(await keys.renewedSince(version)).toBe(false)
    expect(source.fetches).toBe(1)
    clock.advance(5)
    await Promise.all(Array.from({ length: 50 }, () => keys.renewedSince(version)))
    expect(source.fetches).toBe(2)
    source.keys = published(first, second)
    clock.advance(5)
    expect(await keys.renewedSince(version)).toBe(true)
    expect((await keys.find(header('second'))).keys).toHaveLength(1)
  })

  test('newer keys that another request has fetched count without a fetch', async () => {
    const { clock, source, keys, use } = setUp()
    await use()
    const { version } = await keys.find(header('second'))
    clock.advance(5)
    source.keys = published(second)
    expect(await keys.renewedSince(version)).toBe(true)
    clock.advance(5)
    expect(await keys.renewedSince(version)).toBe(true)
    expect(source.fetches).toBe(2)
  })

  test('newer keys that cannot be fetched leave the known ones in use', async () => {
    const { clock, source, keys, use } = setUp()
    await use()
    source.down = true
    clock.advance(5)
    const { version } = await keys.find(header('unknown'))
    expect(await keys.renewedSince(version)).toBe(false)
    expect(await use()).toBe(1)
  })
})

test('the log has one line for each change, failure and recovery', async () => {
  const { clock, source, lines, use, found } = setUp()
  await use()
  await use()
  source.down = true
  clock.advance(601)
  await use()
  await use()
  source.down = false
  clock.advance(5)
  await use()
  source.keys = published(second)
  clock.advance(601)
  await found('second')
  expect(lines.map(({ msg, kids, failures }) => ({ msg, kids, failures }))).toEqual([
    { msg: 'issuer keys changed', kids: ['first'], failures: undefined },
    { msg: 'issuer keys could not be fetched', kids: undefined, failures: 1 },
    { msg: 'issuer keys can be fetched again', kids: undefined, failures: 1 },
    { msg: 'issuer keys changed', kids: ['second'], failures: undefined },
  ])
  expect(lines[1]).toMatchObject({ issuer: 'https://id', next_fetch_seconds: 5 })
  // Of an outage only the reason is logged, without a stack.
  expect(lines[1]).not.toHaveProperty('err')
})
