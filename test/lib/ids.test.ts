import { describe, expect, test } from 'vitest'
import { parseSessionId, parseThreadId } from '../../src/lib/ids.ts'

describe.each([
  ['parseSessionId', parseSessionId],
  ['parseThreadId', parseThreadId],
])('%s', (_name, parse) => {
  const wrong = ['', '.', '..', 'a/b', 'a%2fb', 'a?b', 'a#b', 'a b', 'ä', 'a\nb', `a\r\nb`]
  test.each([...wrong, 'abc\n', 'a'.repeat(129)])(
    'refuses %j, which is unsafe in a path',
    (text) => {
      expect(parse(text)).toBeUndefined()
    },
  )

  test.each(['a', 'cksess_68-Ab', 'a'.repeat(128)])('accepts %j unchanged', (text) => {
    expect(parse(text)).toBe(text)
  })
})
