import { describe, expect, test } from 'vitest'
import { readYaml } from '../../../src/config/file/yaml-file.ts'

function problems(text: string): unknown {
  const file = readYaml(text)
  return 'problems' in file ? file.problems : 'none'
}

function bomb(): string {
  const lines = ['a0: &a0 [x, x]']
  for (let at = 1; at < 60; at++) lines.push(`a${at}: &a${at} [*a${at - 1}, *a${at - 1}]`)
  return lines.join('\n')
}

describe('readYaml refuses', () => {
  test.each([
    ['an empty file', '', 1, [], /empty/],
    ['a file of comments', '# nothing\n', 1, [], /empty/],
    ['a tab', 'a:\n\tb: 1\n', 2, [], /tab/],
    ['a tab, and what it spoils below', 'a:\n  b: 1\n\tc: 2\n  b: 3\n\td: 4\n', 3, [], /tab/],
    ['a repeated key', 'a:\n  b: 1\n  c: 2\n  b: 3\n', 4, ['a', 'b'], /repeats/],
    ['a repeated key without a name', 'a:\n  : 1\n  : 2\n', 3, ['a', ''], /repeats/],
    ['an alias', 'a: &x [1]\nb:\n  c: *x\n', 3, ['b', 'c'], /alias/],
    ['digits beyond 2^53', 'a:\n  b: 12345678901234567890\n', 2, ['a', 'b'], /exactly.*quotes/],
    ['leading zeros', 'a: [1, 0042]\n', 1, ['a', 1], /exactly.*quotes/],
    ['a telephone number', 'a: [1, +4915112345678]\n', 1, ['a', 1], /exactly.*quotes.*plus sign/],
    ['a fraction of 20 digits', 'a: 0.12345678901234567891\n', 1, ['a'], /exactly.*quotes/],
    ['a number next to zero', 'a: 1e-400\n', 1, ['a'], /exactly.*quotes/],
    ['an unknown alias', 'b: [*x]\n', 1, ['b', 0], /alias/],
    ['a tag', 'a: 1\nb: !!js/function x\n', 2, ['b'], /tag/],
    ['a second document', 'a: 1\n---\nb: 2\n', 2, [], /second document/],
    ['an older YAML', '%YAML 1.1\n---\na: yes\n', 1, [], /version/],
    ['__proto__ as a key', 'a: 1\nb:\n  __proto__: {}\n', 3, ['b', '__proto__'], /not a name/],
    ['an unquoted expression', 'a: 1\nb: "x" in claims.y\n', 2, ['b'], /single quotes/],
    ['a colon in a value', 'a: 1\nb: c ? d : e\n', 2, ['b', 'c ? d'], /single quotes/],
    ['a list as a key', 'a: 1\n? [x, y]\n: 2\n', 2, [], /list or a mapping as its key/],
    ['no number', 'a: 1\nb: .nan\n', 2, ['b'], /exactly; put it in quotes, or write its digits/],
    ['an open quote', 'a: 1\nb: "x\n', 2, ['b'], /a quote opens here and is not closed/],
    ['an open quote far above', "a:\n  b: 'x\n  c: 2\n  d: 3\n", 2, ['a', 'b'], /not closed/],
    ['a star alone', 'a: 1\nb: [*]\n', 2, ['b', 0], /single quotes/],
    ['a reserved character', 'a: 1\nb: @x\n', 2, ['b'], /single quotes/],
    ['an expression that begins with &&', 'a: 1\nb: &c && d\n', 2, ['b'], /single quotes/],
    ['no space after the colon', "a: 1\nb:'c'\n", 2, ["b:'c'"], /a space after ":"/],
    ['double quotes in double quotes', 'a: "b + "|" + c"\nd: 1\n', 1, ['a'], /single quotes/],
  ])('%s', (_name, text, line, path, message) => {
    const found = problems(text)
    expect(found).toEqual([
      { line, path: expect.anything(), message: expect.stringMatching(message) },
    ])
    if (path.length > 0) expect(found).toMatchObject([{ path }])
  })

  test('a file of more than 256 KiB', () => {
    expect(problems(`# ${'x'.repeat(256 * 1024)}\na: 1`)).toEqual([
      { line: 1, path: [], message: 'is larger than 256 KiB' },
    ])
  })

  test('an alias bomb, which is never expanded, not even below repeated keys', () => {
    expect(problems(bomb())).toHaveLength(20)
    const repeated = readYaml(bomb().replaceAll(/^a\d+/gm, 'a'))
    expect(repeated).not.toHaveProperty('data')
  })

  test.each(['[', '{a: '])('nesting without end: %s', (opening) => {
    const found = problems(`a: ${opening.repeat(20_000)}`)
    expect(found).toEqual(expect.arrayContaining([expect.objectContaining({ line: 1 })]))
  })
})

describe('readYaml accepts', () => {
  test.each([
    ['a repeated key', 'a: 1\na: 2\nb: [x]\n'],
    ['a rounded number', 'a: 12345678901234567890\nb: [x]\n'],
    ['leading zeros', 'a: 007\nb: [x]\n'],
  ])('the data beside %s, so that its other problems are found too', (_name, text) => {
    expect(readYaml(text)).toMatchObject({ data: { b: ['x'] }, problems: [{}] })
  })

  test('numbers that are kept as they are meant, however they are written', () => {
    const numbers =
      '[0, -0.0, -7, 1.50, 0.30000000000000004, 1e3, 1.5E+3, 5e-324, 100e-2, 0x1F, 0o17]'
    const data = [0, -0, -7, 1.5, 0.1 + 0.2, 1000, 1500, 5e-324, 1, 31, 15]
    expect(readYaml(numbers)).toEqual({ data, lineOf: expect.anything() })
  })

  test('YAML 1.2 core: yes and no are texts, << is a key like any other', () => {
    expect(readYaml('%YAML 1.2\n---\na: yes\n<<: { b: no }\n')).toMatchObject({
      data: { a: 'yes', '<<': { b: 'no' } },
    })
  })

  test.each([
    [['a'], 2],
    [['a', 'b'], 3],
    [['a', 'b', 0], 4],
    [['a', 'b', 1], 5],
    [['a', 'b', 1, 'c'], 6],
    [['a', 'b', 1, 'missing'], 5],
    [['a', 'missing', 'deeper'], 2],
    [['missing'], 2],
    [['1'], 7],
    [['expression'], 8],
  ])('the line of %j is %i', (path, line) => {
    const file = readYaml(
      '# comment\na:\n  b:\n    - x\n    - d: 1\n      c: 2\n1: one\nexpression: >-\n  claims.sub\n',
    )
    if ('problems' in file) expect.unreachable()
    else expect(file.lineOf(path)).toBe(line)
  })
})
