import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { EncryptJWT } from 'jose'
import { beforeAll, describe, expect, test } from 'vitest'
import type { JwtReport } from '../../../../src/commands/cli/jwt-explain/report.ts'
import { DEFAULT_CONFIG, ISSUER, signer, tokenFor } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { handMade } from '../../../support/tokens.ts'
import { quickCli } from '../run-cli.ts'

// Texts that are often mistaken for a token get a hint what they are. For refused tokens the reason says what
// was received and what was expected.

const file = join(scratchFolder(), 'config.yaml')
const variables = {
  CONFIG_FILE: file,
  TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
}
beforeAll(() => writeFileSync(file, DEFAULT_CONFIG))

async function explain(token: string): Promise<JwtReport> {
  const { out, err } = await quickCli(['jwt', 'explain', '--json'], variables, { input: token })
  const longest = token.split('.').reduce((one, other) => (one.length > other.length ? one : other))
  if (longest.length > 24) expect(out + err).not.toContain(longest)
  return JSON.parse(out)
}

const key = randomBytes(64)
const encrypted = await new EncryptJWT({ sub: 'alice' })
  .setProtectedHeader({ alg: 'dir', enc: 'A256CBC-HS512', kid: 'k' })
  .encrypt(key)
const emulator = handMade(
  { alg: 'none', typ: 'JWT' },
  { iss: 'https://securetoken.google.com/demo-app', aud: 'demo-app', sub: 'Xa1' },
  Buffer.alloc(0),
)
const unsigned = handMade({ alg: 'NONE' }, { sub: 'a' }, Buffer.alloc(32))
const good = tokenFor()
const [header = '', payload = ''] = good.split('.')

describe('a text that is no signed JWT is refused, and the hint says what it is', () => {
  test.each([
    ['an encrypted session of Auth.js', encrypted, /encrypted \(JWE, "A256CBC-HS512"\).*Auth\.js/],
    ['an unsigned token of the Firebase emulator', emulator, /not signed: the Firebase emulator/],
    ['alg none with a signature', unsigned, /not signed/],
    ['a variable that was not set', 'undefined', /does not wait for its token/],
    ['a promise that was not awaited', '[object Promise]', /does not wait for its token/],
    ['an opaque token', 'v2.local-4f1c9b7ad2e84f1c9b7ad2e8', /opaque, no JWT/],
    ['an opaque token of three parts', 'abcdefgh.ijklmnop.qrstuvwx', /opaque, no JWT/],
    ['a UUID', '7b1f0c1e-2a3b-4c5d-8e9f-001122334455', /opaque, no JWT/],
    ['two parts of a token', `${header}.${payload}`, /opaque, no JWT/],
    ['a token in double quotes', `"${good}"`, /is in quotes/],
    ['a token in single quotes', `'${good}'`, /is in quotes/],
    ['a token with a comma behind it', `${good},`, /is in quotes/],
    ['a token in two lines', `${header}.\n${payload}.x`, /white space/],
    ['the answer of a token endpoint', `{"access_token":"${good}"}`, /JSON.*access_token/],
    ['an API key', 'sk-proj-0123456789abcdef', /key or client secret of OpenAI/],
    ['a client secret', 'ek_0123456789abcdef0123456789', /key or client secret of OpenAI/],
    ['a padded token of a load balancer', `${header}==.${payload}.c2ln`, /padding/],
  ])('%s', async (_name, text, hint) => {
    const report = await explain(text)
    expect(report).toMatchObject({ accepted: false, status: 401, code: 'invalid_token' })
    expect(report.hint).toMatch(hint)
  })

  test('the terminal says so too', async () => {
    const { out, code } = await quickCli(['jwt', 'explain'], variables, { input: encrypted })
    expect(code).toBe(1)
    expect(out).toMatch(/\nhint +it is encrypted/)
  })
})

test('all readable claims are listed, verified or not, cut and without credentials', async () => {
  expect((await explain(emulator)).token.claims).toEqual({
    iss: '"https://securetoken.google.com/demo-app"',
    aud: '"demo-app"',
    sub: '"Xa1"',
  })
  const more = { azp: 'x'.repeat(500), key: 'sk-proj-0123456789abcdef', groups: ['a', 'b'] }
  const long = await explain(tokenFor('alice', more))
  expect(long).toMatchObject({ accepted: true, hint: null })
  expect(long.token.claims).toMatchObject({ groups: '["a","b"]', key: '"[redacted]"' })
  expect(long.token.claims['azp']).toHaveLength(201)
  const { out } = await quickCli(['jwt', 'explain'], variables, { input: tokenFor('alice') })
  expect(out).toMatch(
    /\nclaims +iss "https:\/\/issuer\.test", aud "chat-api", sub "alice", iat \d+/,
  )
})

describe('the reason of a refused JWT says what was received and what was expected', () => {
  test.each<[string, string, RegExp]>([
    ['audience', tokenFor('a', { aud: 'other' }), /"other", expected "chat-api"/],
    ['no audience', tokenFor('a', { aud: undefined }), /no aud, expected "chat-api"/],
    [
      'issuer',
      tokenFor('a', { iss: 'https://else.test' }),
      /"https:\/\/else\.test" .*expected "https:\/\/issuer\.test"/,
    ],
    [
      'issuer with a slash more',
      tokenFor('a', { iss: `${ISSUER}/` }),
      /"https:\/\/issuer\.test\/" .*the config has "https:\/\/issuer\.test": write there what the token has/,
    ],
    [
      'typ',
      signer.token({ iss: ISSUER }, { typ: 'dpop+jwt' }),
      /"dpop\+jwt" .*expected "at\+jwt", "jwt" in any case or no typ/,
    ],
    ['algorithm', signer.token({ iss: ISSUER }, { alg: 'RS256' }), /"RS256" .*expected "HS256"/],
  ])('%s', async (_name, token, reason) => {
    expect((await explain(token)).reason).toMatch(reason)
  })
})
