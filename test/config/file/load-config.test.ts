import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import { ConfigError } from '../../../src/config/file/problems.ts'
import { MINIMAL, minimalWith, problemsOf } from '../fixtures.ts'

test('all problems come at once, in the order of the file, each with its line and key', () => {
  const text = `issuers:
  - issuer: http://login.corp.test
    audience: []
    algorithms: [none]
    colour: red
  - audience: [x]
    algorithms: [RS256]
    secret_env: S
user: 'claims.sub'
workflows:
  chat:
    version: latest
    expires_after:
      anchor: created_at
      seconds: 601
    state_variables:
      a: 'claims.'
      b: 3
cors:
  origins:
    - https://app.acme.example
    - '*'
serveur: 1
`
  const found = problemsOf(text).map((problem) => problem.split(' ').slice(0, 2).join(' '))
  expect(found).toEqual([
    '2 issuers[0].issuer',
    '3 issuers[0].audience',
    '4 issuers[0].algorithms[0]',
    '5 issuers[0].colour',
    '6 issuers[1].issuer',
    '7 issuers[1].algorithms[0]',
    '9 user',
    '11 workflows.chat.server',
    '12 workflows.chat.version',
    '15 workflows.chat.expires_after.seconds',
    '17 workflows.chat.state_variables.a',
    '18 workflows.chat.state_variables.b',
    '22 cors.origins[1]',
    '23 serveur',
  ])
})

test('a problem is printed as file:line: key: what is wrong', () => {
  const text = minimalWith('[chat-api]', '[]')
  expect(() => loadConfig(text, { file: 'config/x.yaml' })).toThrow(
    new ConfigError(
      [
        {
          file: 'config/x.yaml',
          line: 3,
          key: 'issuers[0].audience',
          message: 'needs at least 1 entry',
        },
      ],
      { selfHosted: undefined, console: false },
    ),
  )
  expect(() => loadConfig(text, { file: 'config/x.yaml' })).toThrow(
    /^config\/x\.yaml:3: issuers\[0\]\.audience: needs at least 1 entry$/,
  )
})

test('an unknown key names the known ones', () => {
  expect(problemsOf(minimalWith('    id: wf_1', '    id: wf_1\n    expires: 1'))[0]).toMatch(
    /^9 workflows\.support\.expires is not a known key; known here: id, server, answers_to, upload_url, threads_at, adopt_threads, fallback,/,
  )
})

test.each(['consoles: {}'])('an unknown key at the top: %s', (line) => {
  expect(problemsOf(`${MINIMAL}${line}\n`)).toEqual([
    expect.stringMatching(/^9 \w+ is not a known key/),
  ])
})

test('$schema as a key: says that it is a comment', () => {
  expect(problemsOf(`${MINIMAL}$schema: schema.json\n`)).toEqual([
    expect.stringMatching(/is not a known key; write it as the first line: # yaml-language-server/),
  ])
})

test('a misplaced secret is never printed', () => {
  const key = 'sk-proj-abcdefghijklmnop'
  const texts = [
    `${MINIMAL}    api_key_env: ${key}\n`,
    `${MINIMAL}    ${key}: 1\n`,
    `${MINIMAL}    when: ${key}\n`,
    `${MINIMAL}x: "${key}\n`,
    `${MINIMAL}x: ${key}: b\n`,
    minimalWith('id: wf_1', `id: "${key} "`),
    minimalWith('[RS256]', `[${key}]`),
    minimalWith('https://login.corp.test/', `https://u:${key}@login.corp.test/`),
    minimalWith('audience:', `jwks: { keys: [{ kty: oct, k: ${key} }] }\n    audience:`),
  ]
  for (const text of texts) {
    try {
      loadConfig(text, { file: 'c.yaml' })
      expect.unreachable(text)
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError)
      expect(String((error as Error).message)).not.toContain('abcdefgh')
    }
  }
})

test('problems of YAML that leave the data readable come together with all others', () => {
  const more = 'colour: 0042\nretention: { audit_days: 0042, users_days: x }\n'
  const text = `${minimalWith('[RS256]', '[RS999]')}limits: {}\nlimits: {}\n${more}`
  expect(problemsOf(text)).toEqual([
    expect.stringMatching(/^4 issuers\[0\]\.algorithms\[0\] must be one of /),
    expect.stringMatching(/^10 limits repeats a key/),
    expect.stringMatching(/^11 colour is a number that cannot be kept exactly/),
    expect.stringMatching(/^12 retention\.audit_days is a number that cannot be kept exactly/),
    expect.stringMatching(/^12 retention\.users_days must be/),
  ])
})

test('what is below a name that cannot be used is checked all the same', () => {
  const more = `  Support:
    id: wf_1
    version: 3
    expires: 10
    input: { 'a b': { type: text } }
    state_variables: { ? ${'x'.repeat(65)} : 5 }
`
  expect(problemsOf(minimalWith('workflows:\n', `workflows:\n${more}`))).toEqual([
    expect.stringMatching(/^7 workflows\.Support must be a name of at most 64 lower-case letters/),
    expect.stringMatching(/^9 workflows\.Support\.version must be text/),
    expect.stringMatching(/^10 workflows\.Support\.expires is not a known key; known here: id, /),
    expect.stringMatching(/^11 workflows\.Support\.input\["a b"\] must be a name of at most 64 /),
    expect.stringMatching(/^11 workflows\.Support\.input\["a b"\]\.type must be one of string, /),
    expect.stringMatching(/^12 workflows\.Support\.state_variables\.x{65} must be a name of 1 /),
    expect.stringMatching(/^12 workflows\.Support\.state_variables\.x{65} must be text/),
  ])
})

test.each([
  ['admins:', '9 admins has no value; must be a mapping (key: value)'],
  [
    'cors:\n  origins:\n  #- https://app.example',
    '10 cors.origins has no value; must be a list; put it in [ ]',
  ],
])('a key whose lines are all commented out has no value: %j', (lines, problem) => {
  expect(problemsOf(`${MINIMAL}${lines}\n`)).toEqual([problem])
})

test('the key of a problem is cut where it would fill the screen', () => {
  for (const text of [`a: ${'['.repeat(5000)}`, `${MINIMAL}${'x'.repeat(100_000)}: 1\n`]) {
    expect(() => loadConfig(text, { file: 'c.yaml' })).toThrow(
      /^c\.yaml:\d: .{300}…: is n.{1,250}$/,
    )
  }
})

test.each(['issuer: https:/login.corp.test/', 'issuer: https:///login.corp.test/'])(
  'an address without its host is refused: %s',
  (line) => {
    expect(problemsOf(minimalWith('issuer: https://login.corp.test/', line))).toEqual([
      expect.stringMatching(/^2 issuers\[0\]\.issuer must be an absolute URL/),
    ])
  },
)
