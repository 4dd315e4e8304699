import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { readDevSetup } from '../../../src/commands/dev/environment.ts'
import { neededClaims, peopleFor, whyNoSession } from '../../../src/commands/dev/people.ts'
import { withOwnKeys } from '../../../src/commands/dev/stand-ins.ts'
import { createTokenMaker } from '../../../src/embedded/sign-in/token-maker.ts'
import { whyNoAdmin } from '../../../src/map/evaluate.ts'
import { configFile } from './scene.ts'

const EXAMPLES = join(import.meta.dirname, '../../../config/examples')

async function read(file: string) {
  const { settings } = readDevSetup(file, {})
  const accounts = peopleFor(settings)
  const { made } = await withOwnKeys(settings.issuers)
  const makeToken = createTokenMaker({ issuers: made, accounts, now: Date.now })
  const claimsOf = async (sub: string) => (await makeToken({ sub })).claims
  return { settings, accounts, claimsOf }
}

function withRules(rules: string) {
  return read(
    configFile(`
issuers: [{ issuer: 'https://login.test', audience: [a], algorithms: [ES256] }]
${rules.includes('user:') ? '' : 'user: claims.sub'}
${rules}
`),
  )
}

const oneWorkflow = (when: string) => withRules(`workflows: { w: { id: wf_1, when: '${when}' } }`)

describe.each(readdirSync(EXAMPLES))('%s', (name) => {
  test('alice gets a session, and ada is an admin if the config has admins', async () => {
    const { settings, claimsOf } = await read(join(EXAMPLES, name))
    expect(whyNoSession(settings, await claimsOf('alice'))).toBeUndefined()
    const { admins } = settings
    const ada = { issuer: admins?.issuers[0] ?? '', claims: await claimsOf('ada') }
    expect(admins && whyNoAdmin(ada, admins)).toBeUndefined()
    const bob = { ...ada, claims: await claimsOf('bob') }
    expect(admins === undefined || whyNoAdmin(bob, admins)).not.toBeUndefined()
  })
})

describe('a rule holds for alice', () => {
  test.each([
    '"a b" in claims.groups',
    '"x" in claims["https://acme.test/roles"] && claims.level >= 3.0',
    'claims.level > 3.0 && claims.age < 99.0 && claims.zero <= 0.0',
    'claims.email.endsWith("@acme.test") && claims.email_verified',
    'claims.path.startsWith("/a") || false',
    '(claims.admin || claims.owner) && !claims.blocked',
    'claims.kind == "a" || claims.kind == "b"',
    'has(claims.o) && claims.o.id == "x" && "r" in claims.o.roles',
    'claims.provider != "anonymous"',
    'has(claims.a.b) ? claims.a.b == "x" : true',
    'claims.iss == "https://login.test" && claims.sub != ""',
    'true',
  ])('%s', async (when) => {
    const { settings, claimsOf } = await oneWorkflow(when)
    expect(whyNoSession(settings, await claimsOf('alice'))).toBeUndefined()
  })
})

test.each(['claims.secret.matches("^[a-z]{3}[0-9]{9}$")', 'false', 'size(claims.groups) > 7'])(
  'a rule that cannot be read gives a reason: %s',
  async (when) => {
    const { settings, claimsOf } = await oneWorkflow(when)
    expect(whyNoSession(settings, await claimsOf('alice'))).toMatch(
      /^the caller may not use any workflow \(w: `when` (?:is false|fails: .+)\)$/,
    )
  },
)

test('everybody has own values of the claims that make up the user', async () => {
  const { claimsOf } = await withRules(
    `user: 'issuer + "|" + claims.oid'\nworkflows: { w: { id: wf_1 } }`,
  )
  const made = await Promise.all(['alice', 'bob', 'ada', 'carol'].map(claimsOf))
  const oids = made.map(({ oid }) => oid)
  expect(oids).toEqual(['alice-oid', 'bob-oid', 'ada-oid', 'carol-oid'])
})

test('claims that alice already has stay, unless a rule wants another value', async () => {
  const { accounts } = await withRules(
    `workflows: { w: { id: wf_1, state_variables: { plan: claims.plan, team: claims.team } } }`,
  )
  expect(accounts['alice']).toMatchObject({ plan: 'pro', team: 'alice-team', groups: ['support'] })
})

test.each([
  ['claims.oid', ['oid']],
  ['issuer + "|" + claims.sub', []],
  ['has(claims.x) ? claims.x : claims.y', ['y']],
  ['claims["a:b"] + claims.c.d', ['a:b', 'c']],
])('%s needs %j', (source, names) => {
  expect(neededClaims(source)).toEqual(names)
})
