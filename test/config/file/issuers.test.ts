import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { problemsOf, settingsOf } from '../fixtures.ts'

const TAIL = 'workflows: { a: { id: wf } }\n'

/** Two issuers, A and B, each with lines of its own, and lines of the top level. */
function two(a: string, b: string, top: string): string {
  const entry = (name: string, own: string): string =>
    `  - { issuer: https://${name}.example, audience: [x], algorithms: [RS256]${own} }\n`
  return `issuers:\n${entry('a', a)}${entry('b', b)}${top}${TAIL}`
}

const user = (expression: string): string => `, user: '${expression}'`

describe('with two issuers, users must tell them apart', () => {
  test.each([
    'issuer + "|" + claims.sub',
    'claims.iss + "|" + claims.sub',
    'claims["iss"] + "|" + claims.sub',
    'claims.sub + "|" + issuer',
    '"u:" + issuer + " " + claims.sub + "!"',
    '(issuer + "|") + (claims.tenant + claims.sub)',
    'has(claims.oid) ? issuer + "|" + claims.oid : issuer + "|" + claims.sub',
    'pseudonym(issuer, claims.sub)',
    'claims.tenant + pseudonym(claims.sub, claims.iss)',
    'issuer',
  ])('%s does', (expression) => {
    expect(problemsOf(two('', '', `user: '${expression}'\n`))).toEqual([])
  })

  test.each([
    'claims.sub',
    'claims.issuer + claims.sub',
    '"issuer" + claims.sub',
    'claims.act.iss + claims.sub',
    'claims.act["iss"] + claims.sub',
    'claims.act["iss"] + "|" + claims.sub',
    '{"iss": claims.sub}.iss',
    'pseudonym(claims.sub)',
    'claims["is" + "s"] + claims.sub',
  ])('%s does not', (expression) => {
    expect(problemsOf(two('', '', `user: '${expression}'\n`))).toEqual([
      expect.stringMatching(
        /^4 user must look at issuer .* \(https:\/\/a\.example, https:\/\/b\.example\)$/,
      ),
    ])
  })

  test.each([
    'issuer + claims.sub',
    'claims.iss + claims.sub',
    'claims["iss"] + claims.sub',
    'claims.sub + issuer',
    'issuer + "" + claims.sub',
    '"a|" + issuer + claims.sub',
    'issuer + "/" + claims.sub',
    'issuer + ".e" + claims.sub',
    'claims.sub + "/" + issuer',
    'claims.tenant + "|" + issuer + "|" + claims.sub',
    'issuer == "https://a.example" ? claims.sub : issuer + "|" + claims.sub',
    'pseudonym(issuer + claims.sub)',
    '[issuer, claims.sub].map(p, p).join("|")',
    'cel.bind(i, claims.iss, i + claims.sub)',
    'claims.sub + (claims.x == issuer ? "a" : "b")',
  ])('%s lets issuer and subject run into each other', (expression) => {
    expect(problemsOf(two('', '', `user: '${expression}'\n`))).toEqual([
      expect.stringMatching(/^4 user must set the issuer apart.*\(https:\/\/a\.example, https:/),
    ])
  })

  test.each<[string, string, string, string]>([
    ['one that begins with the other', 'https://a', 'https://a.example', 'issuer + claims.sub'],
    ['nested ones', 'https://a.example', 'https://a.example/b', 'issuer + "/" + claims.sub'],
    ['a bar in one', 'https://a.example', 'https://b.example/x|y', 'issuer + "|" + claims.sub'],
    ['a text that begins in an issuer', 'x', 'xa', 'issuer + "aa" + claims.sub'],
    ['a text that ends in an issuer', 'x', 'ax', 'claims.sub + "aa" + issuer'],
  ])('%s: two subjects could become one user', (_name, a, b, expression) => {
    const text = two('', '', `user: '${expression}'\n`)
      .replace('https://a.example', `'${a}'`)
      .replace('https://b.example', `'${b}'`)
    expect(problemsOf(text)).toContainEqual(expect.stringMatching(/^4 user must set the issuer/))
    const apart = text.replace(/user: '.*'/, `user: 'issuer + " :: " + claims.sub'`)
    expect(problemsOf(apart).join()).not.toContain('user must set')
  })

  test('a thousand issuers are checked, and two among them whose users could meet are found', () => {
    const config = (names: readonly string[], top: string) =>
      `issuers:\n${names.map((name) => `  - { issuer: '${name}', audience: [x], algorithms: [RS256] }\n`).join('')}${top}${TAIL}`
    const many = Array.from({ length: 1000 }, (_, at) => `https://customer-${at}.example`)
    const top = `user: 'issuer + "aa" + claims.sub'\n`
    expect(problemsOf(config(many, top))).toEqual([])
    const near = [...many, 'https://customer-7.examplea']
    expect(problemsOf(config(near, top))).toEqual([expect.stringMatching(/must set the issuer/)])
  })

  test('the expression of one issuer is reported at its own line', () => {
    const text = two('', user('claims.sub'), `user: 'issuer + "|" + claims.sub'\n`)
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(
        /^3 issuers\[1\]\.user must look at issuer .* \(https:\/\/b\.example\)$/,
      ),
    ])
  })

  test('the shared expression is judged only for issuers that use it', () => {
    const apart = user('issuer + "|" + claims.sub')
    const text = two(apart, '', "user: 'claims.sub'\n")
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^4 user must look at issuer .* \(https:\/\/b\.example\)$/),
    ])
    expect(problemsOf(two(apart, user('claims.iss'), "user: 'claims.sub'\n"))).toEqual([])
  })

  test.each<[string, string]>([
    ['issuer + "|" + claims.sub', 'claims.sub + "|" + issuer'],
    ['issuer + "|" + claims.sub', '"https://a.example|" + issuer + "|" + claims.sub'],
    ['pseudonym(issuer, claims.sub)', 'pseudonym(claims.sub, issuer)'],
    ['pseudonym(issuer, claims.sub)', 'pseudonym("https://a.example", issuer)'],
    ['claims.x + pseudonym(issuer)', 'pseudonym(issuer) + claims.x'],
    [
      'has(claims.x) ? claims.sub + "|" + issuer : issuer + "|" + claims.sub',
      'issuer + "|" + claims.sub',
    ],
  ])('%s and %s could yield one user for subjects of both', (one, other) => {
    expect(problemsOf(two(user(one), user(other), ''))).toEqual([
      expect.stringMatching(/^3 issuers\[1\]\.user could yield/),
    ])
    expect(problemsOf(two('', user(other), `user: '${one}'\n`))).toHaveLength(1)
  })

  test.each<[string, string]>([
    ['issuer + "|" + claims.sub', 'issuer + "#" + claims.email'],
    ['issuer + "|" + claims.sub', '"b:" + issuer + "|" + claims.sub'],
    ['issuer + "|" + claims.sub', 'pseudonym(issuer, claims.sub)'],
    ['claims.sub + "|" + issuer', 'pseudonym(claims.sub, issuer)'],
    ['pseudonym(issuer, claims.sub)', 'pseudonym(issuer, "b", claims.sub)'],
    ['pseudonym("a", claims.sub, issuer)', 'pseudonym("b", issuer, claims.sub)'],
    ['"a:" + pseudonym(issuer, claims.sub)', '"b:" + pseudonym(claims.sub, issuer)'],
    ['claims.x + pseudonym(issuer)', 'claims.y + pseudonym(issuer)'],
  ])('%s and %s never yield one user', (one, other) => {
    expect(problemsOf(two(user(one), user(other), ''))).toEqual([])
  })

  test('one expression whose branches could yield one user for two tenants is reported once', () => {
    const text = `issuers:
  - issuer: 'https://login.example/{tenantid}'
    tenants: [one, two, three]
    audience: [x]
    algorithms: [RS256]
user: 'has(claims.x) ? claims.sub + "|" + issuer : issuer + "|" + claims.sub'
${TAIL}`
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^6 user could yield one user .*login\.example\/one, .*\/two\)$/),
    ])
  })

  test.each([
    [100, []],
    [101, [expect.stringMatching(/^3 issuers\[0\]\.tenants /)]],
  ])('an issuer with %i tenants: %j', (count, problems) => {
    const text = `issuers:
  - issuer: 'https://login.example/{tenantid}'
    tenants: [${Array.from({ length: count }, (_, at) => `tenant-${at}`)}]
    audience: [x]
    algorithms: [RS256]
user: 'issuer + "|" + claims.sub'
${TAIL}`
    expect(problemsOf(text)).toEqual(problems)
  })

  test('literal prefixes are not enough', () => {
    expect(problemsOf(two(user('"a" + claims.sub'), user('"b" + claims.sub'), ''))).toHaveLength(2)
  })

  test('a macro cannot call something else `issuer`', () => {
    expect(problemsOf(two('', '', "user: '[claims.sub].map(issuer, issuer)[0]'\n"))).toEqual([
      expect.stringMatching(/^4 user gives another meaning to issuer/),
    ])
  })

  test('a single issuer may have any expression', () => {
    const text = `issuers:\n  - { issuer: https://a.example, audience: [x], algorithms: [RS256] }\nuser: 'claims.sub'\n${TAIL}`
    expect(problemsOf(text)).toEqual([])
  })
})

test('user is needed unless every issuer has its own', () => {
  expect(problemsOf(two(user('issuer'), '', ''))).toEqual([
    `1 user is missing; it is needed for https://b.example: write user: 'issuer + "|" + claims.sub'`,
  ])
  const settings = settingsOf(two(user('issuer'), user('claims.iss'), ''))
  expect(settings.issuers.map((issuer) => issuer.user.source)).toEqual(['issuer', 'claims.iss'])
})

test('an issuer that is there twice is refused', () => {
  const text = two('', '', "user: 'issuer'\n").replace('b.example', 'a.example')
  expect(problemsOf(text)).toEqual([
    expect.stringMatching(/^3 issuers\[1\]\.issuer is there twice/),
  ])
  // Issuers are compared byte for byte, so these are two.
  expect(problemsOf(two('', '', "user: 'issuer'\n").replace('b.example', 'a.example/'))).toEqual([])
})

test('admins name their issuers when there are several', () => {
  const admins = (more: string): string =>
    two('', '', `user: 'issuer'\nadmins:\n  when: 'claims.admin'\n${more}`)
  expect(problemsOf(admins(''))).toEqual([expect.stringMatching(/^5 admins\.issuers is missing/)])
  expect(problemsOf(admins('  issuers: [https://b.example]\n'))).toEqual([])
  expect(problemsOf(admins('  issuers: []\n'))).toEqual([
    expect.stringMatching(/^7 admins\.issuers needs at least 1/),
  ])
})

test.each([['jwks_uri', 'jwks']])('keys come from %s or %s, not both', (one, other) => {
  const sources: Record<string, string> = {
    jwks_uri: 'https://a.example/k',
    jwks: '{ keys: [{ kty: RSA }] }',
    secret_env: 'S',
  }
  const lines = `, ${one}: ${sources[one]}, ${other}: ${sources[other]}`
  const problems = problemsOf(two(lines, '', "user: 'issuer'\n"))
  expect(problems).toContainEqual(
    expect.stringMatching(new RegExp(`^2 issuers\\[0\\]\\.${other} stands beside ${one}`)),
  )
})

describe('a key set in the file', () => {
  const p256 = '{ kty: EC, crv: P-256, x: %s, y: %s }'
    .replace('%s', 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU')
    .replace('%s', 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0')
  const ed25519 = '{ kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo }'
  const rsa = (alg: string): string => {
    const { n } = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({
      format: 'jwk',
    })
    return `{ kty: RSA, n: ${n}, e: AQAB${alg} }`
  }
  const problemsWith = (algorithms: string, keys: string, more = ''): string[] =>
    problemsOf(
      `issuers:\n  - issuer: https://a.example\n    audience: [x]\n    algorithms: [${algorithms}]\n` +
        `    jwks: { keys: [${keys}] }\n${more}user: claims.sub\n${TAIL}`,
    )

  test.each([
    ['ES256', p256],
    ['RS256, ES256', p256],
    ['EdDSA', ed25519],
    ['Ed25519', ed25519],
    ['Ed25519', ed25519.replace('}', ', alg: EdDSA }')],
    ['RS512', rsa('')],
    ['PS256', rsa(', alg: PS256')],
    ['ES256', `${rsa('')}, ${p256}`],
  ])('may serve %s with one key that fits', (algorithms, keys) => {
    expect(problemsWith(algorithms, keys)).toEqual([])
  })

  test.each([
    ['RS256', p256],
    ['ES384', p256],
    ['ES256, RS256', ed25519],
    ['ES256', ed25519],
    ['EdDSA', p256],
    ['RS256', rsa(', alg: PS256')],
  ])('is refused when no key of it can verify %s', (algorithms, keys) => {
    expect(problemsWith(algorithms, keys)).toEqual([
      `5 issuers[0].jwks has no key for ${algorithms}; add the key that signs`,
    ])
  })

  test('is refused when no key of it can verify logout tokens', () => {
    const logout = '    logout: { client_ids: [web], algorithms: [RS256] }\n'
    expect(problemsWith('ES256', p256, logout)).toEqual([
      '5 issuers[0].jwks has no key for RS256; add the key that signs',
    ])
  })

  test('whose form is wrong is one problem', () => {
    expect(problemsWith('ES256', '5')).toEqual([
      '5 issuers[0].jwks.keys[0] must be a mapping (key: value)',
    ])
  })

  test('is reported together with the other problems of the file', () => {
    expect(problemsWith('ES256', '{ kty: EC }', 'extra: 1\n')).toEqual([
      '5 issuers[0].jwks key set refused: no key for signatures; key 0: of a kind that this service does not know',
      expect.stringMatching(/^6 extra /),
    ])
  })
})
