import { describe, expect, test } from 'vitest'
import type { AppContext } from '../../src/http/context.ts'
import { readCredential } from '../../src/http/credentials.ts'

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>

const accepted = {
  origins: { app: new Set<string>() },
  headerNames: [],
  cookieNames: new Set(['__session', 'sso']),
}
const PROVEN = { 'sec-fetch-site': 'same-origin' }
const UNPROVEN = { 'sec-fetch-site': undefined }

/** Reads the credential of a request with these headers, which proves its origin unless they say otherwise. */
function read(given: Headers, userCall = true) {
  const present = Object.entries({ ...PROVEN, ...given }).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  )
  const headers = Object.fromEntries(present)
  const incoming = { headers, rawHeaders: present.flat() }
  const req = { header: (name: string) => headers[name.toLowerCase()] }
  const c = { env: { incoming }, req } as unknown as AppContext
  return readCredential(c, accepted, userCall)
}

function refusal(...given: Parameters<typeof read>): unknown {
  try {
    return read(...given)
  } catch (error) {
    return error
  }
}

test.each(['Bearer', 'bearer', 'BEARER', 'bEaReR'])(
  'a token with the scheme %s is read',
  (scheme) => {
    expect(read({ authorization: `${scheme} a.b.c` })).toEqual({ token: 'a.b.c' })
  },
)

test.each([
  ['no value', undefined],
  ['the scheme Basic', 'Basic dXNlcjpwYXNz'],
  ['an empty value', ''],
  ['a scheme without token', 'Bearer'],
  ['a scheme and a space', 'Bearer '],
  ['a scheme that starts like ours', 'BearerX a.b.c'],
  ['the bare token', 'a.b.c'],
  ['a tab for a space', 'Bearer\ta.b.c'],
  ['a no-break space', 'Bearer\u00a0a.b.c'],
])('an Authorization header counts as missing_token if it has %s', (_name, authorization) => {
  expect(refusal({ authorization })).toMatchObject({ code: 'missing_token' })
})

test('the log of a token without its scheme says that the header must begin with Bearer', () => {
  const reason = 'an Authorization header that does not begin with Bearer'
  expect(refusal({ authorization: 'a.b.c' })).toMatchObject({ code: 'missing_token', reason })
})

test('a repeated Authorization header is invalid_request, even when both are equal', () => {
  const authorization = ['Bearer a.b.c', 'Bearer a.b.c']
  expect(refusal({ authorization })).toMatchObject({ code: 'invalid_request' })
})

describe('cookie', () => {
  test('the value of a cookie keeps its equals signs', () => {
    expect(read({ cookie: '__session=a=b==' }).token).toBe('a=b==')
  })

  test('two cookies of one name are no error where cookies do not count', () => {
    const cookie = '__session=a.b.c; __session=d.e.f'
    expect(refusal({ cookie, ...UNPROVEN })).toMatchObject({ code: 'missing_token' })
    expect(refusal({ cookie }, false)).toMatchObject({ code: 'missing_token' })
    expect(read({ cookie, authorization: 'Bearer g.h.i' }).token).toBe('g.h.i')
  })

  test.each([
    ['there is none', undefined, 'no Authorization header and no cookie that counts'],
    [
      'another site may have sent it',
      'other=1; __session=a.b.c',
      'cookie __session without an exactly allowed Origin or Sec-Fetch-Site: same-origin',
    ],
  ])('the log says why no cookie counts when %s', (_name, cookie, reason) => {
    expect(refusal({ cookie, ...UNPROVEN })).toMatchObject({ code: 'missing_token', reason })
  })

  test.each([
    ['spaces', '  __session = a.b.c  '],
    ['tabs', '\t__session\t=\ta.b.c\t'],
  ])('%s around name and value do not count (RFC 6265 §5.2)', (_name, cookie) => {
    expect(read({ cookie })).toEqual({ token: 'a.b.c', cookie: '__session' })
  })

  // A sibling domain may set a cookie of such a name, where a `__Host-` name would be refused.
  test.each(['\u00a0', '\u00c2\u00a0', '\u0085', '\u000b', '\u000c', '\ufeff', '\u2028', '\u3000'])(
    'a name with %j before or after it is another name',
    (space) => {
      for (const name of [`${space}__session`, `__session${space}`, ` ${space} __session`]) {
        expect(refusal({ cookie: `${name}=a.b.c` })).toMatchObject({ code: 'missing_token' })
        const both = read({ cookie: `${name}=d.e.f; __session=a.b.c` })
        expect(both.token).toBe('a.b.c')
      }
    },
  )

  test('a value keeps every character that is neither SP nor HTAB', () => {
    const { token } = read({ cookie: '__session= \u00a0"a.b.c"\u00a0 ' })
    expect(token).toBe('\u00a0"a.b.c"\u00a0')
  })

  test('the reason of a refusal holds no token', () => {
    const refused = refusal({ cookie: '__session=eyJx.b.c; __session=eyJy.e.f' })
    expect(JSON.stringify(refused)).not.toContain('eyJ')
  })
})
