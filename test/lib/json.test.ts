import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { NotJsonError, parseStrictJson, StrictJsonError } from '../../src/lib/json.ts'

describe('parseStrictJson', () => {
  test('returns what JSON.parse returns, for any JSON value', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 6 }), fc.constantFrom(0, 2), (text, indent) => {
        fc.pre(!text.includes('__proto__'))
        const value: unknown = JSON.parse(text)
        const written = JSON.stringify(value, null, indent)
        expect(parseStrictJson(written, 32)).toEqual(value)
        expect(parseStrictJson(Buffer.from(written), 32)).toEqual(value)
      }),
    )
  })

  test('refuses any object in which a key is repeated, however it is written', () => {
    const escaped = (key: string) =>
      `"${Array.from(key, (_, at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, '0')}`).join('')}"`
    fc.assert(
      fc.property(fc.string({ unit: 'binary-ascii' }), fc.boolean(), (key, inEscapes) => {
        const again = inEscapes ? escaped(key) : JSON.stringify(key)
        const text = `{"other": [{${JSON.stringify(key)}: 1, "z": {}, ${again} : 2}]}`
        expect(() => parseStrictJson(text, 32)).toThrow(StrictJsonError)
      }),
    )
  })

  test.each([
    ['a tab', '\t'],
    ['a line feed', '\n'],
    ['a carriage return', '\r'],
    ['spaces', '  '],
  ])('refuses a key that is repeated before %s and its colon', (_name, space) => {
    expect(() => parseStrictJson(`{"a"${space}:1,"a"${space}:2}`, 32)).toThrow(StrictJsonError)
  })

  test('accepts the same key in different objects', () => {
    expect(parseStrictJson('[{"a":{"a":1}},{"a":2}]', 4)).toEqual([{ a: { a: 1 } }, { a: 2 }])
  })

  test('reads brackets and colons in strings as text', () => {
    const value = { a: '{"b":1,"b":2}', b: ['":', '\\', '"', '[[[['], 'c:': '}' }
    expect(parseStrictJson(JSON.stringify(value), 2)).toEqual(value)
  })

  test.each([
    ['__proto__ as a key', '{"__proto__": {}}'],
    ['__proto__ with an escape', '{"\\u005f_proto__": 1}'],
    ['a comment', '{"a": 1 /* b */}'],
    ['a trailing comma', '{"a": 1,}'],
    ['truncated text', '{"a": '],
    ['nothing', ''],
    ['two values', '{} {}'],
    ['NaN', '{"a": NaN}'],
    ['a byte order mark', Buffer.from('\ufeff{}')],
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['an overlong UTF-8 form', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['UTF-16', Buffer.from('{"a":1}', 'utf16le')],
  ])('refuses %s', (_name, source) => {
    expect(() => parseStrictJson(source, 32)).toThrow(StrictJsonError)
  })

  test.each([
    ['text that is no JSON', '{"a": nope}'],
    ['a first line of CSV', `${'"a","b",'.repeat(60_000)}"c"`],
    ['lines of JSON', '{"a":[1,2]}\n'.repeat(60_000)],
    ['lines of a log with open brackets', '[12:00] \u001b[32mok\n'.repeat(40)],
    ['a string without its end', '["a'],
    ['a string that ends with an escape', '["a\\"'],
    ['a bad escape in a key', '{"\\x": 1}'],
  ])('says of %s that it is no JSON', (_name, source) => {
    expect(() => parseStrictJson(source, 32)).toThrow(NotJsonError)
  })

  test.each([
    ['nested too deeply', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['of too many values', `[${'{},'.repeat(100_001)}{}]`],
    ['with a repeated key', '{"a":1,"a":2}'],
    ['of strings without commas', `[${'""'.repeat(100_001)}]`],
    ['of a string and something else', '{"a" "b": 1}'],
    ['of keys in an array', `[${'"a":'.repeat(100_001)}1]`],
    ['of a key outside an object', '"a": 1'],
  ])('refuses text %s before it is parsed, which could take seconds', (_name, source) => {
    const parse = vi.spyOn(JSON, 'parse')
    onTestFinished(() => parse.mockRestore())
    expect(() => parseStrictJson(source, 32)).toThrow(StrictJsonError)
    expect(parse).not.toHaveBeenCalled()
  })

  test('accepts 100,000 values, and refuses one more', () => {
    const text = (strings: number) => JSON.stringify(Array.from({ length: strings }, () => 'a'))
    expect(parseStrictJson(text(99_999), 1)).toHaveLength(99_999)
    expect(() => parseStrictJson(text(100_000), 1)).toThrow(StrictJsonError)
  })

  test('accepts the deepest allowed nesting, and refuses one level more', () => {
    const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)
    expect(parseStrictJson(nested(32), 32)).toBeInstanceOf(Array)
    expect(() => parseStrictJson(nested(33), 32)).toThrow('more than 32 levels deep')
    expect(() => parseStrictJson(nested(100_000), 32)).toThrow(StrictJsonError)
  })

  test('finds the end of a string after any number of backslashes', () => {
    for (let count = 0; count < 9; count++) {
      const text = JSON.stringify({
        a: `${'\\\\'.repeat(count)}"`,
        b: '\\\\'.repeat(count),
        [`"`]: '":{',
      })
      expect(parseStrictJson(text, 32)).toEqual(JSON.parse(text))
      expect(() => parseStrictJson(text.replace('"b"', '"a"'), 32)).toThrow('a repeated key')
    }
  })

  test('refuses more than 100,000 values, in objects or arrays, and does not count brackets and commas in strings', () => {
    const list = (count: number) => `[${Array(count).fill('1').join()}]`
    const map = (count: number) =>
      `{${Array.from({ length: count }, (_, at) => `"${at}":1`).join()}}`
    for (const text of [list(100_001), map(100_001), `[${Array(50_001).fill('[1]').join()}]`]) {
      expect(() => parseStrictJson(text, 32)).toThrow('more than 100000 values')
    }
    for (const text of [list(99_990), map(99_990), JSON.stringify('[,{'.repeat(100_000))]) {
      expect(parseStrictJson(text, 32)).toEqual(JSON.parse(text))
    }
  })

  test('never repeats the text in its message', () => {
    const refuse = () => parseStrictJson('{"sub": "alice-secret", "sub": "alice-secret"}', 32)
    expect(refuse).toThrow(StrictJsonError)
    expect(refuse).not.toThrow(/alice/)
  })
})
