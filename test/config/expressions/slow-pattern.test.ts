import { describe, expect, test } from 'vitest'
import { slowPatternProblem } from '../../../src/config/expressions/slow-pattern.ts'

describe('a pattern is refused when', () => {
  test.each([
    '^(a+)+$',
    '^(a+|b)+$',
    '(a*)*b',
    '^(a+)*$',
    '(?:a+){2,}',
    '(?<x>a+)+',
    '([a-z]+)*$',
    '(.*)*',
    '(a?){30}a{30}',
    '(a?b)+',
    '((ab)+c)+',
    '((a+)b)+',
    '(([a-z])+.)+[A-Z]',
    '(\\d{1,3}\\.){3}',
    '(a{0,9}){9}',
    '^(([a-z]+\\.)*)+$',
    '(a+?)+?',
  ])('a repetition repeats: %s', (pattern) => {
    expect(slowPatternProblem(pattern)).toMatch(/^a repetition repeats/)
  })

  test.each([
    '^(a|a)*$',
    '(a|ab)*c',
    '(a|aa)+$',
    '(\\w|\\d)+',
    '(.|x)*',
    '([a-f]|[e-z]){2,}',
    '(é|ü)+',
    '(|a)+',
    '(a|)*',
    '(^|a)*',
    '($|a)*',
    '((a|b)|b)+',
    '((|a)b|b)+',
    '(\\x61|a)*',
    '(\\u0061|a)*',
    '([^b]|a)*',
    '(\\s| )+',
  ])('alternatives overlap under a repetition: %s', (pattern) => {
    expect(slowPatternProblem(pattern)).toMatch(/^alternatives overlap/)
  })

  test.each([
    ...['\\d|0', '\\d|9', '\\w|A', '\\w|Z', '\\w|_', '\\w|a', '\\w|z', '\\s|\\t', '\\s|\\r'],
    ...['\\t|\\x09', '\\n|\\cJ', '\\v|\\x0b', '\\f|\\x0C', '\\r|\\cm', '\\0|\\x00', '\\061|1'],
    ...[
      '[\\b]|\\x08',
      '\\D|a',
      '\\S|a',
      '\\W|-',
      '[Z-a]|_',
      '[^a]|\\^',
      '[a-]|-',
      '[\\d-z]|-',
      '[\\d-z]|z',
      '\\x80|é',
    ],
  ])('the alternatives of a repetition share a character: %s', (pattern) => {
    expect(slowPatternProblem(`(${pattern})+`)).toMatch(/^alternatives overlap/)
  })

  test.each([
    'a*a*',
    '^a*a*a*$',
    '^\\d+\\d+\\d+$',
    '^.*.*.*$',
    '^a*(b)?a*(b)?a*$',
    '^[a-m]*[k-z]*[l-z]*$',
    '.*foo.*bar',
    '^(a+|b)a+a+$',
    '^(a+)?a+a+$',
    '^a*(a|b)a*a*$',
    '^a*b*a*a*$',
    '^(ab)*(ab)*(ab)*$',
  ])('more than two repetitions share a text: %s', (pattern) => {
    expect(slowPatternProblem(pattern)).toMatch(/^more than two repetitions/)
  })

  test.each([
    ['back reference', '(a)\\1'],
    ['back reference', '(?<x>a)\\k<x>'],
    ['looks around', '^(?=.*a)b'],
    ['looks around', '(?!a)b'],
    ['looks around', '(?<=a)b'],
    ['looks around', '(?<!a)b'],
    ['too many', 'a?'.repeat(30) + 'a'.repeat(30)],
    ['too many', '(a|a)'.repeat(20)],
    ['too many', 'ab?c?d?e?f?g?|a'],
  ])('it has a %s: %s', (why, pattern) => {
    expect(slowPatternProblem(pattern)).toContain(why)
  })
})

test.each([
  '@acme[.]example$',
  '^team-',
  '^[^@]+@([a-z]|-|\\.)+$',
  '^[^@]+@acme\\.example$',
  '^.+@(acme|globex)\\.example$',
  '^.*@.*$',
  '^[a-z0-9._-]+@[a-z0-9-]+\\.[a-z]{2,}$',
  '^https?://[a-z0-9-]+\\.acme\\.example/.*$',
  '^(admin|agent|audit)-(east|eu|emea)$',
  '^(a|b)+$',
  '^(ab|c)*d$',
  '^(ab)?(ab)?(ab)?$',
  '^a{0,1}a{0,1}a{0,1}$',
  '^a*b*c*$',
  '^.*@[a-z]*[a-z]*$',
  '^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}$',
  '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$',
  '^(\\+\\d{1,3} )?\\d{4,12}$',
  '[[\\]a-c-]+x',
  '^([\\d-z]|x)+$',
  '^([0-\\d]|x)+$',
  'a{,3}{x',
  '',
  'a|b|',
  'ab?c?d?e?f?g?|h',
  '.*@acme\\.example',
  '\\$\\.\\(\\)\\[',
])('an ordinary pattern passes: %s', (pattern) => {
  expect(slowPatternProblem(pattern)).toBeUndefined()
})

test.each([
  ...['\\d|/', '\\d|:', '\\w|@', '\\w|\\[', '\\w|`', '\\w|{', '\\s|\\x08', '\\s|\\x0e', '\\s|!'],
  ...[
    '\\t|\\n',
    '\\v|\\f',
    '\\cA|a',
    '\\ca|\\x02',
    '\\x7f|é',
    '\\0|0',
    '\\061|6',
    '\\u0041|\\u0042',
  ],
  ...[
    '[\\b]|b',
    '\\bx|y',
    '\\Bx|y',
    '[a-c]|d',
    '[a-c]|`',
    '[a-]|b',
    '[^a]|a',
    '\\D|1',
    '\\S| ',
    '\\W|w',
  ],
])('the alternatives of a repetition share no character: %s', (pattern) => {
  expect(slowPatternProblem(`(${pattern})+`)).toBeUndefined()
})

test('an accepted pattern ends soon even on the texts that are worst for it', () => {
  const texts = ['a', 'ab', '0', '-', '.', 'a.', 'a@', '@'].map((one) => `${one.repeat(4096)}\n!`)
  for (const pattern of ['^.*@.*$', '[a-z]+@x', '^[a-z0-9._-]+@[a-z0-9-]+\\.[a-z]{2,}$']) {
    expect(slowPatternProblem(pattern)).toBeUndefined()
    const compiled = new RegExp(pattern)
    for (const text of texts) compiled.test(text)
  }
})

test('the longest pattern is judged in one walk', () => {
  expect(slowPatternProblem('(a|b)'.repeat(800))).toBeUndefined()
  expect(slowPatternProblem(`^${'a+b+'.repeat(1000)}$`)).toBeUndefined()
  expect(slowPatternProblem(`${'('.repeat(50)}a${')'.repeat(50)}`)).toBeUndefined()
  expect(slowPatternProblem(`${'('.repeat(2000)}a${')'.repeat(2000)}`)).toMatch(/nest too deep/)
})
