import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createMintTurns } from '../../../src/http/server/mint-pacing.ts'

function scene() {
  const turns = createMintTurns()
  const begun: number[] = []
  const come = (number: number) => {
    if (turns.mayBegin()) begun.push(number)
    else void turns.next().then(() => begun.push(number))
  }
  return { turns, begun, come }
}

const upTo = (count: number) => Array.from({ length: count }, (_, number) => number)

test('16 mints begin in a turn, the others in the turns after it, in the order in which they came', async () => {
  const { begun, come } = scene()
  for (const number of upTo(40)) come(number)
  const after = [begun.length]
  for (let turn = 0; turn < 2; turn++) {
    await setImmediate()
    after.push(begun.length)
  }
  expect(after).toEqual([16, 32, 40])
  expect(begun).toEqual(upTo(40))
})

test('64 mints begin after a turn that something else made long', async () => {
  const { begun, come } = scene()
  for (const number of upTo(100)) come(number)
  const until = performance.now() + 60
  while (performance.now() < until);
  await setImmediate()
  expect(begun).toEqual(upTo(16 + 64))
  await setImmediate()
  expect(begun).toEqual(upTo(16 + 64 + 16))
})

test('a mint that comes while others wait begins after them', async () => {
  const { begun, come } = scene()
  for (const number of upTo(40)) come(number)
  await setImmediate()
  come(40)
  expect(begun).toHaveLength(32)
  await setImmediate()
  expect(begun).toEqual(upTo(41))
})

test('mints that come one after the other begin at once, however many there are', async () => {
  const { begun, come } = scene()
  for (const number of upTo(100)) {
    come(number)
    expect(begun).toHaveLength(number + 1)
    await setImmediate()
  }
})

test('nobody waits before the first mint, nor after the last', async () => {
  const { turns, come } = scene()
  expect(turns.waitedMs()).toBe(0)
  for (const number of upTo(20)) come(number)
  expect(turns.waitedMs()).toBeGreaterThan(0)
  await setImmediate()
  expect(turns.waitedMs()).toBe(0)
})
