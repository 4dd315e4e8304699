import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  type CursorScope,
  type ListPosition,
  openCursor,
  sealCursor,
} from '../../src/threads/cursors.ts'

const KEY = randomBytes(32)
const named = (...names: string[]) => names.map((name) => ({ name }))
const SCOPE: CursorScope = { kind: 'own', user: 'alice', order: 'desc', sources: named('a', 'b') }
const POSITION: ListPosition = [null, ['cthr_1', 4], ['cthr_lost', null]]
const REFUSED = expect.objectContaining({ code: 'invalid_request' })

describe('a cursor', () => {
  test('comes back as it was made, and can go in a URL', () => {
    const cursor = sealCursor(KEY, SCOPE, POSITION)
    expect(cursor).toMatch(/^[\w-]+$/)
    expect(openCursor(KEY, SCOPE, cursor)).toEqual(POSITION)
  })

  test.each<[string, Partial<CursorScope>]>([
    ['user', { user: 'bob' }],
    ['everyone', { user: undefined }],
    ['side', { kind: 'any' }],
    ['order', { order: 'asc' }],
    ['sources', { sources: named('b', 'a') }],
    ['sources that read alike', { sources: named('a","b') }],
  ])('is of nothing for another %s', (_name, change) => {
    const cursor = sealCursor(KEY, SCOPE, POSITION)
    expect(() => openCursor(KEY, { ...SCOPE, ...change }, cursor)).toThrow(REFUSED)
  })

  test('with any bit changed, cut short or made longer is of nothing', () => {
    const bytes = Buffer.from(sealCursor(KEY, SCOPE, POSITION), 'base64url')
    for (let at = 0; at < bytes.length * 8; at++) {
      const changed = Buffer.from(bytes)
      changed[at >> 3] = (changed[at >> 3] ?? 0) ^ (1 << (at & 7))
      expect(() => openCursor(KEY, SCOPE, changed.toString('base64url'))).toThrow(REFUSED)
    }
    for (const other of [
      bytes.subarray(0, -1),
      bytes.subarray(0, 32),
      Buffer.concat([bytes, bytes]),
    ]) {
      expect(() => openCursor(KEY, SCOPE, other.toString('base64url'))).toThrow(REFUSED)
    }
  })

  test('of another key, in another spelling, or none at all is of nothing', () => {
    const cursor = sealCursor(KEY, SCOPE, POSITION)
    expect(() => openCursor(randomBytes(32), SCOPE, cursor)).toThrow(REFUSED)
    for (const text of [`${cursor}=`, ` ${cursor}`, `${cursor}\n`, 'cthr_1', 'é', '{}']) {
      expect(() => openCursor(KEY, SCOPE, text)).toThrow(REFUSED)
    }
  })
})
