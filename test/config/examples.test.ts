import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { Settings } from '../../src/config/settings.ts'
import { Secret } from '../../src/lib/secret.ts'
import { mapSession } from '../../src/map/map.ts'
import { mapUser } from '../../src/map/map-user.ts'
import { userId } from '../support/ids.ts'

const FOLDER = new URL('../../config/', import.meta.url)
const FILES = [
  'chatkit-mint.yaml',
  ...readdirSync(new URL('examples/', FOLDER)).map((name) => `examples/${name}`),
]

interface Sample {
  readonly claims: Record<string, unknown>
  readonly typ: string
  readonly user: string | RegExp
  readonly workflow: string
  readonly variables: Record<string, unknown> | undefined
  /** Claims that make the same person an admin. */
  readonly asAdmin?: Record<string, unknown>
  /** Claims that take the workflow away, and what is then the default; null for none. */
  readonly without?: [Record<string, unknown>, string | null]
}

const SAMPLES: Record<string, Sample> = {
  'chatkit-mint.yaml': {
    claims: { iss: 'https://login.acme.example/', sub: 'alice', aud: ['chat-api'] },
    typ: 'at+jwt',
    user: 'https://login.acme.example/|alice',
    workflow: 'support',
    variables: undefined,
  },
  'examples/auth0.yaml': {
    claims: {
      iss: 'https://acme.eu.auth0.com/',
      sub: 'auth0|65f0c1e2a3b4c5d6e7f80912',
      aud: ['https://chat.acme.example', 'https://acme.eu.auth0.com/userinfo'],
      azp: 'my_client_id',
      scope: 'openid profile email',
      'https://acme.example/roles': ['support'],
    },
    typ: 'JWT',
    user: 'https://acme.eu.auth0.com/|auth0|65f0c1e2a3b4c5d6e7f80912',
    workflow: 'support',
    variables: { plan: 'free' },
    asAdmin: { permissions: ['chatkit:admin'] },
    without: [{ 'https://acme.example/roles': [] }, 'help'],
  },
  'examples/clerk.yaml': {
    claims: {
      iss: 'https://clerk.acme.example',
      sub: 'user_2xAbCdEfGh',
      azp: 'https://app.acme.example',
      sid: 'sess_1',
      sts: 'active',
      fva: [7, -1],
      v: 2,
      o: { id: 'org_1', slg: 'acme', rol: 'member' },
    },
    typ: 'JWT',
    user: 'https://clerk.acme.example|user_2xAbCdEfGh',
    workflow: 'team',
    variables: { organization: 'org_1', role: 'member' },
    asAdmin: { o: { id: 'org_1', slg: 'acme', rol: 'admin' } },
    without: [{ o: { id: 'org_2', slg: 'other', rol: 'admin' } }, 'personal'],
  },
  'examples/cognito.yaml': {
    claims: {
      iss: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI',
      sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
      client_id: '1h57kf5cpq17m0eml12EXAMPLE',
      token_use: 'access',
      scope: 'aws.cognito.signin.user.admin',
      username: 'alice',
      'cognito:groups': ['support'],
    },
    typ: 'none',
    user: 'https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI|aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
    workflow: 'support',
    variables: { username: 'alice' },
    asAdmin: { 'cognito:groups': ['chatkit-admin'] },
    without: [{ token_use: 'id' }, null],
  },
  'examples/entra-id.yaml': {
    claims: {
      iss: 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0',
      aud: '66666666-7777-8888-9999-000000000000',
      sub: 'pairwise-subject',
      oid: 'object-id',
      tid: '11111111-2222-3333-4444-555555555555',
      name: 'Alice',
      roles: ['Support.User'],
      ver: '2.0',
    },
    typ: 'JWT',
    user: 'https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0|object-id',
    workflow: 'support',
    variables: { name: 'Alice' },
    asAdmin: { roles: ['ChatKit.Admin'] },
    without: [{ roles: ['Other'] }, null],
  },
  'examples/firebase.yaml': {
    claims: {
      iss: 'https://securetoken.google.com/acme-app',
      aud: 'acme-app',
      sub: 'Xa1b2C3d4',
      user_id: 'Xa1b2C3d4',
      auth_time: 1_700_000_000,
      firebase: { identities: {}, sign_in_provider: 'password' },
      plan: 'pro',
    },
    typ: 'JWT',
    user: 'https://securetoken.google.com/acme-app|Xa1b2C3d4',
    workflow: 'support',
    variables: { plan: 'pro' },
    asAdmin: { chatkit_admin: true },
    without: [{ firebase: { sign_in_provider: 'anonymous' } }, null],
  },
  'examples/self-signed.yaml': {
    claims: { iss: 'https://api.acme.example', aud: 'chat', sub: '4711', plan: 'pro' },
    typ: 'JWT',
    user: /^u_[\w-]{43}$/,
    workflow: 'support',
    variables: { plan: 'pro', page: '' },
  },
  'examples/supabase.yaml': {
    claims: {
      iss: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1',
      aud: 'authenticated',
      sub: '00000000-1111-2222-3333-444444444444',
      role: 'authenticated',
      aal: 'aal1',
      session_id: 's',
      is_anonymous: false,
      app_metadata: { provider: 'email', providers: ['email'] },
      user_metadata: { plan: 'pro' },
    },
    typ: 'JWT',
    user: 'https://abcdefghijklmnopqrst.supabase.co/auth/v1|00000000-1111-2222-3333-444444444444',
    workflow: 'support',
    variables: { plan: 'free', two_factors: false },
    asAdmin: { app_metadata: { roles: ['chatkit-admin'] } },
    without: [{ is_anonymous: true }, null],
  },
}

function load(file: string): Settings {
  const text = readFileSync(new URL(file, FOLDER), 'utf8')
  const secrets = () => new Secret(Buffer.alloc(32, 5).toString('base64url'))
  return loadConfig(text, { file, secrets }).settings
}

/** The workflow that someone gets by default; null when there is none. */
function defaultWorkflow(settings: Settings, claims: Record<string, unknown>): string | null {
  const principal = { issuer: String(claims['iss']), claims }
  try {
    return mapSession(settings.workflows, { principal, user: userId('u'), asked: {} }).workflow.name
  } catch {
    return null
  }
}

test('every example has a sample', () => {
  expect(FILES.toSorted()).toEqual(Object.keys(SAMPLES).toSorted())
})

describe.each(Object.entries(SAMPLES))('%s', (file, sample) => {
  const settings = load(file)
  const issuer = settings.issuers[0]
  const principal = { issuer: String(sample.claims['iss']), claims: sample.claims }
  if (issuer === undefined) throw new Error('no issuer')

  test('names the schema for editors', () => {
    const [first] = readFileSync(new URL(file, FOLDER), 'utf8').split('\n')
    const [, schema = ''] = /^# yaml-language-server: \$schema=(\S+)$/.exec(first ?? '') ?? []
    const target = new URL(schema, new URL(file, FOLDER))
    expect(target.href).toBe(new URL('schema.json', FOLDER).href)
  })

  test('fits its provider’s tokens', () => {
    expect(issuer.issuer).toBe(sample.claims['iss'])
    const audience = [sample.claims[issuer.audienceClaim]].flat()
    expect(issuer.audience.some((expected) => audience.includes(expected))).toBe(true)
    expect(issuer.tokenTypes).toContain(sample.typ.toLowerCase())
    const missing = issuer.requiredClaims.filter((name) => !(name in sample.claims))
    expect(missing).toEqual(['exp'])
  })

  test('maps them', () => {
    const user = mapUser(issuer.user, principal)
    expect(user).toMatch(sample.user)
    const session = mapSession(settings.workflows, { principal, user, asked: {} })
    expect(session.workflow.name).toBe(sample.workflow)
    expect(session.stateVariables).toEqual(sample.variables)
  })

  test('refuses those whom its rules refuse', () => {
    if (sample.without === undefined) {
      expect(settings.workflows.every(({ when }) => when === undefined)).toBe(true)
      return
    }
    const [claims, expected] = sample.without
    expect(defaultWorkflow(settings, { ...sample.claims, ...claims })).toBe(expected)
  })

  test('knows its admins', () => {
    const isAdmin = (claims: Record<string, unknown>): unknown => {
      try {
        return settings.admins?.when.evaluate({ claims, issuer: principal.issuer, input: {} })
      } catch {
        return false
      }
    }
    expect(isAdmin(sample.claims)).not.toBe(true)
    const promoted = isAdmin({ ...sample.claims, ...sample.asAdmin })
    expect(promoted).toBe(sample.asAdmin === undefined ? undefined : true)
  })
})
