import { expect, test } from 'vitest'
import { createSlots } from '../../../src/lib/shares/slots.ts'

const refused = (code: string) => expect.objectContaining({ code })

test('each user and all together have so many slots, and a slot is freed once', () => {
  const take = createSlots({ each: 2, all: 3, what: 'exports' })
  const free = take('alice')
  take('alice')
  expect(() => take('alice')).toThrow(refused('rate_limited'))
  take('bob')
  expect(() => take('carol')).toThrow(refused('overloaded'))
  free()
  free()
  take('carol')
  expect(() => take('bob')).toThrow(refused('overloaded'))
})

test.each([
  ['first', 0],
  ['last', 1],
])('a user who frees the slot taken %s has one again, and no second', (_name, at) => {
  const take = createSlots({ each: 2, what: 'exports' })
  const frees = [take('alice'), take('alice')]
  frees[at]?.()
  take('alice')
  expect(() => take('alice')).toThrow(refused('rate_limited'))
})
