import { describe, expect, test } from 'vitest'
import { MINIMAL, problemsOf, settingsOf } from '../fixtures.ts'

const A = `'sha256:${'a'.repeat(64)}'`
const B = `'sha256:${'b'.repeat(64)}'`
const EMPTY = "'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'"
const withKeys = (...keys: string[]) =>
  `${MINIMAL}\napi_keys:\n${keys.map((key) => `  - ${key}\n`).join('')}`

/** Two workflows; lines of each. */
const withWorkflows = (support: string, desk: string) =>
  MINIMAL.replace(
    /workflows:\n {2}support:\n {4}id: wf_1\n/,
    `workflows:\n  support:\n    id: wf_1\n${support}  desk:\n    server: http://127.0.0.1:1/chatkit\n${desk}`,
  )

describe('api_keys', () => {
  test('become settings: one digest or two, all workflows or some', () => {
    const keys = [`{ id: a, sha256: ${A} }`, `{ id: b, sha256: [${B}], workflows: [support] }`]
    expect(settingsOf(withKeys(...keys)).apiKeys).toEqual([
      { id: 'a', sha256: ['a'.repeat(64)], workflows: undefined },
      { id: 'b', sha256: ['b'.repeat(64)], workflows: ['support'] },
    ])
  })

  test.each([
    ['an id twice', [`{ id: a, sha256: ${A} }`, `{ id: a, sha256: ${B} }`], /api_keys\[1\]\.id/],
    ['a digest twice', [`{ id: a, sha256: ${A} }`, `{ id: b, sha256: [${B}, ${A}] }`], /sha256/],
    ['one digest twice in a key', [`{ id: a, sha256: [${A}, ${A}] }`], /sha256/],
    ['three digests', [`{ id: a, sha256: [${A}, ${B}, ${A}] }`], /must not have more than 2/],
    ['the digest of an empty variable', [`{ id: a, sha256: ${EMPTY} }`], /of an empty text/],
    ['a key itself', ['{ id: a, sha256: sk-mint-0123456789abcdef }'], /sha256/],
    ['a workflow that is not there', [`{ id: a, sha256: ${A}, workflows: [x] }`], /workflows\[0\]/],
    ['an id with a colon', [`{ id: 'a:b', sha256: ${A} }`], /api_keys\[0\]\.id/],
  ])('refuse %s', (_name, keys, problem) => {
    const found = problemsOf(withKeys(...keys))
    expect(found.join('\n')).toMatch(problem)
    expect(found.join('\n')).not.toContain('0123456789abcdef')
  })
})

describe('answers_to', () => {
  test('accepts ids from old code', () => {
    const text = withWorkflows('', '    answers_to: [wf_old, wf_older]\n')
    expect(settingsOf(text).workflows[1]?.answersTo).toEqual(['wf_old', 'wf_older'])
  })

  test.each([
    ["another workflow's id", '', '    answers_to: [wf_1]\n'],
    ["another workflow's name", '', '    answers_to: [support]\n'],
    ["another workflow's answers_to", '    answers_to: [wf_x]\n', '    answers_to: [wf_x]\n'],
  ])('refuses %s', (_name, support, desk) => {
    expect(problemsOf(withWorkflows(support, desk)).join('\n')).toMatch(
      /workflows\.desk\.answers_to\[0\] is .* of support already/,
    )
  })

  test.each([
    ['an id twice in one list', 'answers_to: [wf_x, wf_x]', 'desk'],
    ['its own id, which another one has', 'id: wf_1\n    answers_to: [wf_1]', 'support'],
  ])('refuses %s', (_name, lines, owner) => {
    const desk = withWorkflows('', `    ${lines}\n`)
    const text = lines.startsWith('id:') ? desk.replace(/ {4}server: .*\n/, '') : desk
    expect(problemsOf(text).join('\n')).toMatch(
      new RegExp(`workflows\\.desk\\.answers_to\\[\\d\\] is .* of ${owner} already`),
    )
  })

  test('may repeat the workflow’s own name and id', () => {
    const text = withWorkflows('    answers_to: [support, wf_1]\n', '')
    expect(settingsOf(text).workflows[0]?.answersTo).toEqual(['support', 'wf_1'])
  })
})
