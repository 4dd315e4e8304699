import { decodeJwt } from 'jose'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startSignIn } from '../../../src/embedded/sign-in/sign-in.ts'
import { flood, serve } from '../../support/network/listen.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli } from './run-cli.ts'

const signIn = forAllTests(() => startSignIn({ port: 0 }))

function create(...words: string[]) {
  const variables = { CHATKIT_MINT_SIGN_IN: signIn.issuer }
  return quickCli(['token', 'create', ...words], variables)
}

/** Claims of the token that a command line printed. */
async function claimsOf(...words: string[]) {
  const { code, out, err } = await create('--sub', 'carol', ...words)
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return decodeJwt(out.trim())
}

test('token create prints the bare token and a line end, so that a shell can put it into a variable', async () => {
  const { code, out, err } = await create('--sub', 'alice')
  expect({ code, err }).toEqual({ code: 0, err: '' })
  expect(out).toMatch(/^eyJ[\w-]+\.[\w-]+\.[\w-]+\n$/)
  expect(decodeJwt(out.trim())).toMatchObject({ iss: signIn.issuer, sub: 'alice', plan: 'pro' })
})

test('--json prints what is in the token and how to send it', async () => {
  const { out } = await create('--json', '--sub', 'alice')
  const made = JSON.parse(out)
  expect(made.claims).toEqual(decodeJwt(made.token))
  expect(made.send_as).toEqual([`Authorization: Bearer ${made.token}`])
})

test.each<[string, string[], object]>([
  ['text', ['plan=pro'], { plan: 'pro' }],
  ['text that is empty', ['plan='], { plan: '' }],
  ['text with = in it', ['next=a=b'], { next: 'a=b' }],
  ['a number', ['level=3', 'rate=0.5'], { level: 3, rate: 0.5 }],
  ['true, false, null', ['a=true', 'b=false', 'c=null'], { a: true, b: false, c: null }],
  ['a list as JSON', ['tags=["a",1]'], { tags: ['a', 1] }],
  ['an object', ['address={"country":"NZ"}'], { address: { country: 'NZ' } }],
  ['text in quotes stays text', ['account="0042"', 'level="3"'], { account: '0042', level: '3' }],
  ['a leading zero is no number', ['account=0042'], { account: '0042' }],
  [
    'a number too large for JSON is an id',
    ['id=12345678901234567890'],
    { id: '12345678901234567890' },
  ],
  ['a repeated name is a list', ['tag=a', 'tag=2'], { tag: ['a', 2] }],
  ['groups are a list with one value', ['groups=support'], { groups: ['support'] }],
  ['roles are a list with two', ['roles=a', 'roles=b'], { roles: ['a', 'b'] }],
  ['groups as JSON stay as they are', ['groups=["a"]'], { groups: ['a'] }],
  ['groups in quotes are text', ['groups="support"'], { groups: 'support' }],
  ['a name with a URL', ['https://acme.test/roles=["a"]'], { 'https://acme.test/roles': ['a'] }],
  ['broken JSON is text', ['note={x'], { note: '{x' }],
])('--claim: %s', async (_, claims, expected) => {
  expect(await claimsOf(...claims.flatMap((claim) => ['--claim', claim]))).toMatchObject(expected)
})

test('--claim replaces a claim of a known account', async () => {
  const { out } = await create('--sub', 'alice', '--claim', 'plan=free')
  expect(decodeJwt(out.trim())).toMatchObject({ plan: 'free', groups: ['support'] })
})

test('--audience, --expires-in and --issuer change what the config would have', async () => {
  expect(await claimsOf('--audience', 'other')).toMatchObject({ aud: 'other' })
  expect(await claimsOf('--audience', 'a', '--audience', 'b')).toMatchObject({ aud: ['a', 'b'] })
  const { iat = 0, exp = 0 } = await claimsOf('--expires-in', '90', '--issuer', signIn.issuer)
  expect(exp - iat).toBe(90)
})

describe('an impossible value ends with 2 before anything is sent', () => {
  test.each([
    ['no sub', []],
    ['an empty sub', ['--sub', '']],
    ['a claim without =', ['--sub', 'a', '--claim', 'groups']],
    ['a claim without a name', ['--sub', 'a', '--claim', '=x']],
    ['a life that is no number', ['--sub', 'a', '--expires-in', 'soon']],
    ['a sign-in on another machine', ['--sub', 'a', '--sign-in', 'https://login.acme.example']],
    ['a sign-in on another machine in plain http', ['--sub', 'a', '--sign-in', 'http://10.0.0.1']],
  ])('%s', async (_, words) => {
    const { code, out, err } = await create(...words)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^chatkit-mint: /)
  })
})

test('an issuer that the config does not have is refused with those that it has', async () => {
  const { code, out, err } = await create('--sub', 'a', '--issuer', 'https://x.test')
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain(signIn.issuer)
})

test('CHATKIT_MINT_SIGN_IN on another machine is an error of the environment', async () => {
  const variables = { CHATKIT_MINT_SIGN_IN: 'https://login.acme.example' }
  const { code, err } = await quickCli(['token', 'create', '--sub', 'a'], variables)
  expect(code).toBe(78)
  expect(err).toContain('CHATKIT_MINT_SIGN_IN')
})

describe('where no sign-in answers', () => {
  const other = forAllTests(() => serve((_, response) => response.end('hello')))

  test('says how to start one, and ends with 69', async () => {
    const words = ['token', 'create', '--sub', 'a', '--sign-in', 'http://127.0.0.1:9']
    const { code, out, err } = await quickCli(words)
    expect({ code, out }).toEqual({ code: 69, out: '' })
    expect(err).toContain('npm run dev -- --config FILE')
    expect(err).toContain('--sign-in')
  })

  test('says when another server answers', async () => {
    const words = ['token', 'create', '--sub', 'a', '--sign-in', other.origin]
    const { code, out, err } = await quickCli(words)
    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain('is not the sign-in')
  })

  test('gives up an answer that never ends before it fills the memory', async () => {
    let sent = 0
    const endless = await serve((_, response) =>
      flood(response, Number.POSITIVE_INFINITY, (bytes) => {
        sent += bytes
      }),
    )
    onTestFinished(endless.close)
    const words = ['token', 'create', '--sub', 'a', '--sign-in', endless.origin]
    const { code, err } = await quickCli(words)
    expect(code).toBe(1)
    expect(err).toContain('is not the sign-in')
    expect(sent).toBeLessThan(32 * 2 ** 20)
  })
})
