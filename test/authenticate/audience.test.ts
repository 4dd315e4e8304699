import { beforeEach, describe, expect, test } from 'vitest'
import { authenticate, claims, configure, es, forgetKeys, invalid } from './two-issuers.ts'

// A token's audience, and the two settings that make it optional.

beforeEach(forgetKeys)

const fromCookie = { cookie: '__session' }

describe('audience_claim: none', () => {
  beforeEach(() =>
    configure({ audienceClaim: 'none', audience: [], algorithms: ['ES256'], cookie: '__session' }),
  )

  test.each<[string, Record<string, unknown>]>([
    ['no audience (WorkOS)', { aud: undefined, org_id: 'org_1', role: 'member' }],
    ['a foreign audience', { aud: 'other' }],
    ['a malformed audience', { aud: { a: 1 } }],
  ])('a token with %s counts', async (_name, changes) => {
    const token = es.token(claims(changes))
    expect((await authenticate(token)).subject).toBe('alice')
    expect((await authenticate(token, fromCookie)).subject).toBe('alice')
  })
})

describe('audience_when_absent: accept', () => {
  beforeEach(() =>
    configure({
      audienceClaim: 'azp',
      audienceWhenAbsent: 'accept',
      audience: ['https://app.acme.example'],
      algorithms: ['ES256'],
      cookie: '__session',
    }),
  )
  const native = () => es.token(claims({ aud: undefined }))

  test('a token without aud, azp and client_id counts in the Authorization header (Clerk)', async () => {
    expect((await authenticate(native())).subject).toBe('alice')
  })

  test('a token without an audience never counts from a cookie, seen before or not', async () => {
    const token = native()
    const refused = { code: 'invalid_token', reason: expect.stringMatching(/cookie/) }
    await expect(authenticate(token, fromCookie)).rejects.toMatchObject(refused)
    expect((await authenticate(token)).subject).toBe('alice')
    await expect(authenticate(token, fromCookie)).rejects.toMatchObject(refused)
  })

  test('a token with the right azp counts from a cookie', async () => {
    const token = es.token(claims({ aud: undefined, azp: 'https://app.acme.example' }))
    expect((await authenticate(token, fromCookie)).subject).toBe('alice')
  })

  test.each<[string, Record<string, unknown>]>([
    ['a wrong azp', { azp: 'https://evil.example' }],
    ['a foreign aud and no azp', { aud: 'other' }],
    ['our audience in aud and no azp', { aud: 'https://app.acme.example' }],
    ['a client_id and no azp', { client_id: 'https://app.acme.example' }],
    ['an azp of null', { azp: null }],
    ['an aud of null', { aud: null }],
    ['an empty aud', { aud: [] }],
  ])('a token with %s is refused', async (_name, changes) => {
    await invalid(es.token(claims({ aud: undefined, ...changes })), /claims: (no )?azp/)
  })
})

test('without the way out a token without an audience is refused', async () => {
  await invalid(es.token(claims({ aud: undefined })), /claims: no aud, expected "chat-api"/)
})

test.each<[Record<string, unknown>, RegExp]>([
  [
    { aud: 'chat-api/' },
    /"chat-api\/", expected "chat-api"; a slash at the end or a capital letter differs$/,
  ],
  [{ aud: ['x', 'Chat-API'] }, /; a slash at the end or a capital letter differs$/],
  [
    { aud: 'web-app', nonce: 'n' },
    /; it looks like an ID token, and an access token may be meant$/,
  ],
  [{ aud: 'web-app', at_hash: 'h' }, /; it looks like an ID token/],
  [{ aud: undefined, token_use: 'id' }, /no aud, expected "chat-api"; it looks like an ID token/],
  [{ aud: 'web-app', token_use: 'access' }, /expected "chat-api"$/],
])('the reason for a token with %j says what is easily mistaken', async (changes, reason) => {
  await invalid(es.token(claims(changes)), reason)
})

test('the reason names the audiences received and expected, and cuts long lists', async () => {
  await invalid(
    es.token(claims({ aud: ['x', 'y'] })),
    /aud is not for this service: "x", "y", expected "chat-api"/,
  )
  const many = Array.from({ length: 600 }, (_, at) => `audience-${at}`)
  await invalid(es.token(claims({ aud: many })), /^.{1,200}$/)
})
