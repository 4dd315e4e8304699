import { describe, expect, test } from 'vitest'
import { couldBeEqual, type UserPart } from '../../../src/config/expressions/user-parts.ts'

const chosen: UserPart = { kind: 'chosen' }
const pseudonym = (...of: readonly (readonly UserPart[])[]): UserPart => ({ kind: 'pseudonym', of })
const parts = (...of: readonly (string | UserPart)[]): readonly UserPart[] =>
  of.map((part) => (typeof part === 'string' ? { kind: 'text', text: part } : part))
/** A text in which a pseudonym, with its 45 characters, just has room. */
const LONG = 'a'.repeat(45)
const SHORT = LONG.slice(1)
const OF_TOKEN = pseudonym([chosen])

/** Whether two users could be equal, asked in both orders. */
function equal(one: readonly UserPart[], other: readonly UserPart[]): readonly boolean[] {
  return [couldBeEqual(one, other), couldBeEqual(other, one)]
}

describe('two users could be equal', () => {
  test.each<[string, readonly UserPart[], readonly UserPart[]]>([
    ['the same text in other pieces', parts('ab'), parts('a', 'b')],
    ['a text and what a token chooses', parts('ab'), parts(chosen)],
    ['a text, and one with an empty end', parts('a'), parts('a', chosen, '')],
    ['chosen ends', parts('ab', chosen), parts('a', chosen)],
    ['chosen beginnings', parts(chosen, 'ab'), parts(chosen, 'b')],
    ['pseudonyms of what tokens choose', parts(OF_TOKEN), parts(OF_TOKEN)],
    ['a pseudonym and letters', parts(OF_TOKEN), parts('u_x-1')],
    ['a pseudonym before a bar', parts(OF_TOKEN, chosen), parts(`${LONG}|`)],
    ['a pseudonym behind a bar', parts(chosen, OF_TOKEN), parts(`|${LONG}`)],
  ])('%s', (_name, one, other) => {
    expect(equal(one, other)).toEqual([true, true])
  })
})

describe('two users always differ', () => {
  test.each<[string, readonly UserPart[], readonly UserPart[]]>([
    ['a text, and one that goes on', parts('a'), parts('a', 'b')],
    ['a text, and one that ends in another', parts('a'), parts('a', chosen, 'b')],
    ['a text, and one with another further on', parts('a'), parts('a', chosen, 'b', chosen)],
    ['a text, and one with a pseudonym behind it', parts('a'), parts('a', OF_TOKEN, chosen)],
    ['beginnings', parts('ab', chosen), parts('ac', chosen)],
    ['beginnings in other pieces', parts('ab', chosen), parts('a', 'c', chosen)],
    ['ends', parts(chosen, 'xab'), parts(chosen, 'yb')],
    ['ends in other pieces', parts(chosen, 'xb'), parts(chosen, 'y', 'b')],
    ['pseudonyms of different texts', parts(pseudonym(parts('a'))), parts(pseudonym(parts('b')))],
    ['pseudonyms of one and of two', parts(OF_TOKEN), parts(pseudonym([chosen], [chosen]))],
    ['what follows pseudonyms', parts(OF_TOKEN, '|a', chosen), parts(OF_TOKEN, '|b', chosen)],
    ['what precedes pseudonyms', parts(chosen, 'a|', OF_TOKEN), parts(chosen, 'b|', OF_TOKEN)],
    ['a pseudonym and a bar', parts(OF_TOKEN), parts('u|x')],
    ['a bar within a pseudonym', parts(OF_TOKEN, chosen), parts(`${SHORT}|`)],
    ['a bar within its end', parts(chosen, OF_TOKEN), parts(`|${SHORT}`)],
  ])('%s', (_name, one, other) => {
    expect(equal(one, other)).toEqual([false, false])
  })
})
