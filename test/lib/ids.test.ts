import { describe, expect, test } from 'vitest'
import { newId, parseSessionId, parseThreadId } from '../../src/lib/ids.ts'

describe.each([
  ['parseSessionId', parseSessionId],
  ['parseThreadId', parseThreadId],
])('%s', (_name, parse) => {
  const wrong = ['', '.', '..', 'abc\n', 'a\r\nb', 'a\0b', 'ä', 'a'.repeat(129)]
  const between = Array.from(`./\\%?#&=+:;,|'"*@!$~^(){}[]<> `, (sign) => `a${sign}b`)
  test.each([...wrong, ...between])('refuses %j, which is unsafe in a path', (text) => {
    expect(parse(text)).toBeUndefined()
  })

  test.each(['a', 'cksess_68-Ab', 'a'.repeat(128)])('accepts %j unchanged', (text) => {
    expect(parse(text)).toBe(text)
  })
})

describe('newId', () => {
  test('gives the prefix and 32 hexadecimal digits, never the same twice', () => {
    const made = Array.from({ length: 2000 }, (_, at) => newId(at % 2 > 0 ? 'req_' : 'cksess_'))
    for (const [at, id] of made.entries()) {
      expect(id).toMatch(at % 2 > 0 ? /^req_[0-9a-f]{32}$/ : /^cksess_[0-9a-f]{32}$/)
    }
    expect(new Set(made.map((id) => id.slice(-32))).size).toBe(2000)
    for (let at = 1; at <= 32; at++) {
      expect(new Set(made.map((id) => id.at(-at))).size).toBe(16)
    }
  })

  test.each([0, 1, 2 ** 24 - 1, 2 ** 24, 1_700_000_000_000.5, 2 ** 48 - 1])(
    'begins with the time %d where one is given',
    (nowMs) => {
      const time = Math.trunc(nowMs).toString(16).padStart(12, '0')
      expect(newId('aud_', nowMs)).toMatch(new RegExp(`^aud_${time}[0-9a-f]{20}$`))
      expect(newId('aud_', nowMs)).not.toBe(newId('aud_', nowMs))
    },
  )
})
