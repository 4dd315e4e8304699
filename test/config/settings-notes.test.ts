import { describe, expect, test } from 'vitest'
import { settingsNotes } from '../../src/config/settings-notes.ts'
import { Secret } from '../../src/lib/secret.ts'
import { MINIMAL, minimalWith, problemsOf, settingsOf } from './fixtures.ts'

// Settings of an issuer that accept more than the strict default, and the cases in which they are refused.

const AUDIENCE = '    audience: [chat-api]\n'
const ISSUER = 'https://login.corp.test/'
const lines = (text: string): string[] => settingsNotes(settingsOf(text))
const withLines = (more: string): string => minimalWith(AUDIENCE, `${AUDIENCE}${more}`)

test('the strict defaults widen nothing', () => {
  expect(lines(MINIMAL)).toEqual([])
})

test.each(['true', '!false', 'issuer.startsWith("https://")', 'claims.iss != ""'])(
  'admins.when %s, which makes everybody an admin, is reported',
  (when) => {
    expect(lines(`${MINIMAL}admins: { when: '${when}' }\n`)).toEqual([
      expect.stringMatching(/: admins\.when names no claim, so that everybody/),
    ])
  },
)

test.each(['false', 'issuer == "https://other.test/"', '"admin" in claims.roles', '1 / 0 == 1'])(
  'admins.when %s is not',
  (when) => {
    expect(lines(`${MINIMAL}admins: { when: '${when}' }\n`)).toEqual([])
  },
)

describe('audience_claim: none', () => {
  const none = minimalWith(AUDIENCE, '    audience_claim: none\n')

  test('it is accepted without audience, and reported', () => {
    expect(problemsOf(none)).toEqual([])
    expect(lines(none)).toEqual([expect.stringMatching(/^https:.*: audience_claim: none accepts/)])
  })

  test('it is refused together with audience or audience_when_absent', () => {
    expect(problemsOf(withLines('    audience_claim: none\n'))).toEqual([
      expect.stringMatching(/^3 issuers\[0\]\.audience has no effect/),
    ])
    const both = '    audience_claim: none\n    audience_when_absent: accept\n'
    expect(problemsOf(minimalWith(AUDIENCE, both))).toEqual([
      expect.stringMatching(/^4 issuers\[0\]\.audience_when_absent has no effect/),
    ])
  })

  test.each([
    'https://accounts.google.com',
    'https://accounts.google.com/',
    'https://ACCOUNTS.google.com',
    'https://accounts.google.com:443',
    'https://cloud.google.com/iap',
    'https://appleid.apple.com',
    'https://token.actions.githubusercontent.com',
    'https://token.actions.githubusercontent.com/acme',
  ])('it is refused for %s, which many customers share', (issuer) => {
    expect(problemsOf(none.replace(ISSUER, issuer))).toEqual([
      expect.stringMatching(/^3 issuers\[0\]\.audience_claim must not be none here/),
    ])
  })

  test('it is not refused for a host whose name begins like a shared one', () => {
    expect(problemsOf(none.replace(ISSUER, 'https://accounts.google.com.acme.example'))).toEqual([])
  })
})

test('audience is required in every other case', () => {
  for (const more of ['', '    audience_claim: azp\n', '    audience_when_absent: accept\n']) {
    expect(problemsOf(minimalWith(AUDIENCE, more))).toEqual([
      expect.stringMatching(/issuers\[0\]\.audience is missing/),
    ])
  }
})

test('audience_when_absent: accept is reported', () => {
  expect(lines(withLines('    audience_when_absent: accept\n'))).toEqual([
    expect.stringMatching(/audience_when_absent: accept takes tokens that name no audience/),
  ])
})

describe('secret_env together with a key set', () => {
  const moving = (algorithms: string) =>
    minimalWith('[RS256]', `[${algorithms}]\n    jwks_uri: https://a.example/k\n    secret_env: S`)

  test('both kinds of algorithm are allowed together, and it is reported', () => {
    expect(problemsOf(moving('ES256, HS256'))).toEqual([])
    expect(lines(moving('ES256, HS256'))).toEqual([expect.stringMatching(/secret_env beside/)])
    const [issuer] = settingsOf(moving('ES256, HS256')).issuers
    expect(issuer?.keys.kind).toBe('jwks_uri')
    expect(issuer?.sharedSecretEnv).toBe('S')
  })

  test('HS256 needs secret_env, and everything else a key set', () => {
    const alone = minimalWith('[RS256]', '[ES256, HS256]\n    secret_env: S')
    expect(problemsOf(alone)).toEqual([expect.stringMatching(/algorithms\[0\] needs a public key/)])
    const set = minimalWith('[RS256]', '[ES256, HS256]\n    jwks_uri: https://a.example/k')
    expect(problemsOf(set)).toEqual([expect.stringMatching(/algorithms\[1\] needs secret_env/)])
  })

  test.each([
    ['a JWT', `eyJhbGciOiJIUzI1NiJ9.${'a'.repeat(40)}.c2ln`],
    ['a PEM', `-----BEGIN PUBLIC KEY-----\n${'A'.repeat(40)}\n-----END PUBLIC KEY-----\n`],
    ['a JWK', JSON.stringify({ kty: 'RSA', n: 'A'.repeat(40), e: 'AQAB' })],
    ['a key set', JSON.stringify({ keys: [{ kty: 'RSA', n: 'A'.repeat(40) }] })],
  ])('a secret that is %s is refused, and not printed', (_name, value) => {
    const problems = problemsOf(
      moving('ES256, HS256'),
      (name) => new Secret(name === 'S' ? value : 'sk-test'),
    )
    expect(problems).toEqual([
      expect.stringMatching(/secret_env needs S in the environment, which/),
    ])
    expect(problems.join()).not.toContain('AAAA')
  })
})

test('a pattern in cors.origins is reported, an exact origin is not', () => {
  const origins = "['https://app.corp.test', 'https://app-*.corp.test']"
  expect(lines(`${MINIMAL}cors: { origins: ${origins} }\n`)).toEqual([
    expect.stringContaining('cors.origins: https://app-*.corp.test lets in'),
  ])
})

test('adopt_threads is reported, a self-hosted workflow without it is not', () => {
  const desk = 'server: http://127.0.0.1:1/chatkit'
  expect(lines(minimalWith('id: wf_1', desk))).toEqual([])
  expect(lines(minimalWith('id: wf_1', `${desk}\n    adopt_threads: true`))).toEqual([
    expect.stringMatching(/^workflows\.support\.adopt_threads gives a thread that nobody owns/),
  ])
})

describe('trusted_proxies', () => {
  const trusting = (range: string): string[] => lines(`${MINIMAL}trusted_proxies: ['${range}']\n`)

  test.each([
    '0.0.0.0/0',
    '::/0',
    '10.0.0.0/0',
    '0.0.0.0/1',
    '128.0.0.0/1',
    '::/1',
    '::ffff:0:0/96',
  ])('%s means nearly everyone, and is reported', (range) => {
    expect(trusting(range)).toEqual([expect.stringContaining(`trusted_proxies: ${range} `)])
  })

  test.each(['10.0.0.0/8', '172.16.0.0/12', '192.0.2.1/32', 'fc00::/7', 'fdaa::/16', '::1/128'])(
    '%s is told nobody',
    (range) => {
      expect(trusting(range)).toEqual([])
    },
  )
})

describe('an API key that sees the threads of workflows it may not use', () => {
  const WORKFLOWS = `workflows:
  support: { id: wf_1 }
  sales: { id: wf_2 }
  legal: { id: wf_3, api_key_env: LEGAL_KEY }
  europe: { id: wf_4, base_url: https://eu.api.openai.com/v1 }
  desk: { server: http://127.0.0.1:1/chatkit, threads_at: desk }
  night: { server: http://127.0.0.1:2/chatkit, threads_at: desk }
`
  const allowing = (workflows?: string) => {
    const rest = workflows === undefined ? '' : `, workflows: [${workflows}]`
    const key = `api_keys: [{ id: billing, sha256: 'sha256:${'a'.repeat(64)}'${rest} }]\n`
    return lines(MINIMAL.replace(/workflows:[\s\S]*$/, WORKFLOWS) + key)
  }

  test.each([
    ['support', 'sales too, which share the OpenAI key OPENAI_API_KEY with support'],
    ['sales', 'support too, which share the OpenAI key OPENAI_API_KEY with sales'],
    ['night', 'desk too, which share threads_at: desk with night'],
  ])('%s alone is reported', (workflows, told) => {
    expect(allowing(workflows)).toEqual([`api_keys: billing sees the threads of ${told}`])
  })

  test('each source is reported in a line of its own', () => {
    expect(allowing('support, desk, legal')).toHaveLength(2)
  })

  test.each([undefined, 'legal', 'europe', 'support, sales', 'desk, night, legal'])(
    '%s is told nobody',
    (workflows) => {
      expect(allowing(workflows)).toEqual([])
    },
  )
})

describe('a user that is the same for everybody', () => {
  test.each(['\'"kiosk"\'', 'issuer', '\'claims.iss + "|"\''])('%s is told', (user) => {
    expect(lines(minimalWith("'claims.sub'", user))).toEqual([
      expect.stringMatching(/^https:\/\/login\.corp\.test\/: user names no claim/),
    ])
  })

  test.each(["'issuer + claims.sub'", 'claims.email', '\'has(claims.oid) ? claims.oid : ""\''])(
    '%s is told nobody',
    (user) => {
      expect(lines(minimalWith("'claims.sub'", user))).toEqual([])
    },
  )
})

test('client_ip_header without trusted_proxies is pointed out', () => {
  expect(lines(`${MINIMAL}client_ip_header: Fly-Client-IP\n`)).toEqual([
    expect.stringMatching(/^client_ip_header: fly-client-ip is never read without trusted_proxies/),
  ])
})

test('with a trusted proxy, there is nothing to say', () => {
  const header = 'client_ip_header: fly-client-ip\ntrusted_proxies: [172.16.0.0/12]\n'
  expect(lines(MINIMAL + header)).toEqual([])
})
