import { describe, expect, test } from 'vitest'
import type { SecretLookup } from '../../../src/config/file/needed-secrets.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { MINIMAL, minimalWith, problemsOf, settingsOf } from '../fixtures.ts'

const KEY = Buffer.alloc(32, 9).toString('base64url')

function having(values: Record<string, string>): SecretLookup {
  return (name) => {
    const value = values[name]
    return value === undefined ? undefined : new Secret(value)
  }
}

test('an offline check asks for no secret', () => {
  const text = minimalWith("'claims.sub'", "'pseudonym(claims.sub)'")
  expect(problemsOf(text)).toEqual([])
})

describe('with an environment', () => {
  test('a missing API key is reported once', () => {
    expect(problemsOf(MINIMAL, having({ OPENAI_API_KEY: 'sk-1' }))).toEqual([])
    const text = `${MINIMAL}  other: { id: wf_2 }\n  third: { id: wf_3, api_key_env: TEAM_KEY }\n`
    expect(problemsOf(text, having({}))).toEqual([
      expect.stringMatching(/^7 workflows\.support\.api_key_env needs OPENAI_API_KEY .* not set/),
      expect.stringMatching(/^10 workflows\.third\.api_key_env needs TEAM_KEY .* not set/),
    ])
  })

  test.each([
    ['"sk-planted"', /which is in quotes; leave them out/],
    ["'sk-planted'", /which is in quotes/],
    ['"sk-planted', /which is in quotes/],
    ['OPENAI_API_KEY=sk-planted', /which is written as NAME=value; give the value alone/],
    ['openai_api_key=sk-planted', /which is written as NAME=value/],
    ['sk-plan ted', /which has white space inside/],
    ['My API Key', /which is a placeholder, and no key/],
    ['your-api-key', /which is a placeholder/],
    ['$OPENAI_API_KEY', /which is a placeholder/],
    ['<key>', /which is a placeholder/],
    ['domain_pk_planted', /which is a domain key or an id, and no API key/],
    ['wf_planted', /which is a domain key or an id, and no API key/],
    ['sk-…', /which is a placeholder/],
    ['sk-plan\nted', /which has characters that no key has/],
  ])('an API key that is none, %j, is a problem, and is not shown', (key, message) => {
    const problems = problemsOf(MINIMAL, having({ OPENAI_API_KEY: key }))
    expect(problems).toEqual([expect.stringMatching(message)])
    expect(problems[0]).not.toContain('sk-plan')
  })

  test.each(['sk-proj-aB3_-x', 'sk-x=', 'A1b2C3==', 'eyJh.b-c_d'])(
    '%s may be an API key',
    (key) => {
      expect(problemsOf(MINIMAL, having({ OPENAI_API_KEY: key }))).toEqual([])
    },
  )

  test('a shared secret has 32 bytes at least', () => {
    const text = minimalWith('[RS256]', '[HS256]\n    secret_env: SHARED')
    const problems = (value: string) =>
      problemsOf(text, having({ OPENAI_API_KEY: 'sk-1', SHARED: value }))
    expect(problems('x'.repeat(32))).toEqual([])
    expect(problems('ü'.repeat(16))).toEqual([])
    expect(problems('x'.repeat(31))).toEqual([
      expect.stringMatching(/^5 issuers\[0\]\.secret_env needs SHARED .* shorter than 32 bytes/),
    ])
    expect(problems('')).toEqual([expect.stringMatching(/^5 .* not set/)])
  })

  test('pseudonym() asks for its key', () => {
    const text = minimalWith("'claims.sub'", "'pseudonym(claims.sub)'")
    const problems = (values: Record<string, string>) =>
      problemsOf(text, having({ OPENAI_API_KEY: 'sk-1', ...values }))
    expect(problems({ USER_PSEUDONYM_KEY: KEY })).toEqual([])
    expect(problems({})).toEqual([
      expect.stringMatching(
        /^5 user needs USER_PSEUDONYM_KEY in the environment, which is not set/,
      ),
    ])
    expect(problems({ USER_PSEUDONYM_KEY: 'short' })).toEqual([
      expect.stringMatching(/^5 user needs USER_PSEUDONYM_KEY .* at least 32 bytes/),
    ])
    expect(problemsOf(MINIMAL, having({ OPENAI_API_KEY: 'sk-1' }))).toEqual([])
  })

  test('the key is used', () => {
    const text = minimalWith("'claims.sub'", "'pseudonym(claims.sub)'")
    const name = (key: string) =>
      settingsOf(
        text,
        having({ OPENAI_API_KEY: 'sk-1', USER_PSEUDONYM_KEY: key }),
      ).issuers[0]?.user.evaluate({ claims: { sub: 'alice' }, issuer: 'i', input: {} })
    expect(name(KEY)).toMatch(/^u_[\w-]{43}$/)
    expect(name(KEY)).not.toBe(name(Buffer.alloc(32, 8).toString('base64url')))
  })

  test('they are reported together with everything else', () => {
    const text = minimalWith('[chat-api]', '[]')
    expect(problemsOf(text, having({}))).toHaveLength(2)
  })
})
