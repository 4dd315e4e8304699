import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { loadConfig } from '../../src/config/file/load-config.ts'
import type { Settings } from '../../src/config/settings.ts'
import { Secret } from '../../src/lib/secret.ts'
import { mapSession } from '../../src/map/map.ts'
import { mapUser } from '../../src/map/map-user.ts'
import { guideText } from '../docs/samples.ts'
import { userId } from '../support/ids.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { createSecretSigner, createSigner, type KeyPairSigner } from '../support/tokens.ts'
import { COMPANY_TOKENS } from './examples/company-tokens.ts'
import { HOSTED_TOKENS } from './examples/hosted-tokens.ts'
import { OWN_TOKENS } from './examples/own-tokens.ts'
import type { Sample } from './examples/sample.ts'

const FOLDER = new URL('../../config/', import.meta.url)
const FILES = [
  'chatkit-mint.yaml',
  ...readdirSync(new URL('examples/', FOLDER)).map((name) => `examples/${name}`),
]
const SAMPLES: Record<string, Sample> = { ...HOSTED_TOKENS, ...COMPANY_TOKENS, ...OWN_TOKENS }
const SECRET = Buffer.alloc(32, 5).toString('base64url')
const PAIRS = new Map<string, KeyPairSigner>(
  (['RS256', 'ES256', 'EdDSA'] as const).map((alg) => [alg, createSigner(alg)]),
)

function read(file: string): string {
  return readFileSync(new URL(file, FOLDER), 'utf8')
}

/** The text with its placeholders replaced, as a user of the example would do. */
function filled(text: string): string {
  return text.replaceAll('acme.example', 'acme.test').replaceAll('wf_replace_me', 'wf_support')
}

/** Claims with their placeholders replaced; undefined is kept, and removes a claim. */
function filledClaims(claims: Record<string, unknown>): Record<string, unknown> {
  const gone = Object.keys(claims).filter((name) => claims[name] === undefined)
  return {
    ...JSON.parse(filled(JSON.stringify(claims))),
    ...Object.fromEntries(gone.map((name) => [name, undefined])),
  }
}

/** The filled text, with keys of ours in place of those that would be fetched. */
function withOurKeys(text: string): string {
  const config = parse(filled(text))
  for (const issuer of config.issuers) {
    if (issuer.secret_env !== undefined && issuer.jwks_uri === undefined) continue
    delete issuer.jwks_uri
    issuer.jwks = { keys: Array.from(PAIRS.values(), ({ publicJwk }) => publicJwk) }
  }
  return stringify(config)
}

function load(text: string, file: string): Settings {
  return loadConfig(text, { file, secrets: () => new Secret(SECRET) }).settings
}

/** The workflow that these claims get by default; null when there is none. */
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

test.each(FILES)('%s has the workflow that the guides of pages ask for', (file) => {
  const asked = Array.from(
    guideText('react').matchAll(/chatkit\/(\w+)'|workflow: '(\w+)',\n +getToken/g),
    ([, path, name]) => path ?? name,
  )
  expect(asked).toEqual(['helpdesk', 'helpdesk'])
  expect(Object.keys(parse(read(file)).workflows)).toContain(asked[0])
})

test('every example is in the guide', () => {
  const guide = guideText('identity-providers')
  expect(FILES.slice(1).filter((file) => !guide.includes(`\`config/${file}\``))).toEqual([])
})

describe.each(Object.entries(SAMPLES))('%s', (file, original) => {
  const sample: Sample = { ...original, claims: filledClaims(original.claims) }
  const settings = load(filled(read(file)), file)
  const issuer = settings.issuers.find((one) => one.issuer === sample.claims['iss'])
  const principal = { issuer: String(sample.claims['iss']), claims: sample.claims }
  if (issuer === undefined) throw new Error('the sample is of no configured issuer')

  test('names the schema for editors', () => {
    const [first] = read(file).split('\n')
    const [, schema = ''] = /^# yaml-language-server: \$schema=(\S+)$/.exec(first ?? '') ?? []
    const target = new URL(schema, new URL(file, FOLDER))
    expect(target.href).toBe(new URL('schema.json', FOLDER).href)
  })

  test('maps a token of its provider’s shape', () => {
    expect(mapUser(issuer.user, principal)).toMatch(
      original.user instanceof RegExp ? original.user : filled(original.user),
    )
    const session = mapSession(settings.workflows, { principal, user: userId('u'), asked: {} })
    expect(session.workflow.name).toBe(sample.workflow)
    expect(session.stateVariables).toEqual(sample.variables)
  })

  test('refuses the people whom its rules exclude', () => {
    if (original.without === undefined) {
      expect(settings.workflows.every(({ when }) => when === undefined)).toBe(true)
      return
    }
    const [claims, expected] = original.without
    expect(defaultWorkflow(settings, { ...sample.claims, ...filledClaims(claims) })).toBe(expected)
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

  describe('in the service', () => {
    const running = forAllTests(() => {
      const names = ['USER_PSEUDONYM_KEY', 'CHAT_TOKEN_SECRET', 'SUPABASE_JWT_SECRET']
      const secrets = Object.fromEntries(names.map((name) => [name, SECRET]))
      const env = { ...secrets, PUBLIC_URL: 'https://chat.acme.test' }
      return startService({ config: withOurKeys(read(file)), env })
    })

    function mint(algorithm: string, { typ = sample.typ, ...changes }: Record<string, unknown>) {
      const seconds = Math.floor(Date.now() / 1000)
      const claims = { iat: seconds, exp: seconds + 300, ...sample.claims, ...changes }
      const signer = PAIRS.get(algorithm) ?? createSecretSigner('HS256', SECRET)
      const token = signer.token(claims, { typ: typ === 'none' ? undefined : typ })
      const name = issuer?.tokenHeader
      const headers = [name ? `${name}: ${token}` : `Authorization: Bearer ${token}`]
      return rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
    }

    test.each(issuer.algorithms)(
      'a token of its shape mints, signed with %s',
      async (algorithm) => {
        expect(await mint(algorithm, {})).toMatchObject({ status: 200 })
        const workflow = settings.workflows.find(({ name }) => name === sample.workflow)
        expect(running.upstream.requests()).toHaveLength(workflow?.kind === 'hosted' ? 1 : 0)
        running.upstream.clearRequests()
      },
    )

    test.each(Object.entries(original.mistakes))('refused: %s', async (_name, changes) => {
      const answer = await mint(issuer.algorithms[0] ?? '', filledClaims(changes))
      expectProblem(answer, 401, 'invalid_token')
      expect(running.upstream.requests()).toEqual([])
    })
  })
})
