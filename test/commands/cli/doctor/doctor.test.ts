import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createLocalJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeSigningKeys, readSigningKeys } from '../../../../src/chatkit/signing/signing-keys.ts'
import type { Finding } from '../../../../src/commands/cli/doctor/finding.ts'
import { checkStore } from '../../../../src/commands/cli/doctor/store.ts'
import { CommandError, EXIT } from '../../../../src/commands/cli/exit.ts'
import { runCli } from '../../../../src/commands/cli/program.ts'
import {
  type RunningChatKitApi,
  startChatKitApi,
} from '../../../../src/embedded/chatkit-api/api.ts'
import { createSqliteRegistry } from '../../../../src/registry/sqlite.ts'
import { type SampleFaults, startSampleServer } from '../../../support/chatkit/sample-server.ts'
import { startScriptedUpstream } from '../../../support/chatkit/scripted-upstream.ts'
import { type KeyServerBehaviour, startKeyServer } from '../../../support/key-server.ts'
import { leaksIn } from '../../../support/leaks.ts'
import { startRedis, wantsRedis } from '../../../support/registry/redis.ts'
import { API_KEY } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { forAllTests, forEachTest } from '../../../support/started.ts'
import { createSigner } from '../../../support/tokens.ts'
import { type Ended, quickCli, streams } from '../run-cli.ts'

const VERSION_1 = readFileSync(
  new URL('../../../registry/sqlite-version-1.sql', import.meta.url),
  'utf8',
)
const OLDER = 'is of an older version: the next start moves it'
const OTHER_KEY = 'sk-test-other-key-0123456789wxyz'
/** Locks the file that its argument names, says so, and lets go soon after. */
const HOLDS_LOCK = `
  const db = new (require('node:sqlite').DatabaseSync)(process.argv[1])
  db.exec('BEGIN EXCLUSIVE')
  console.log('locked')
  setTimeout(() => db.exec('COMMIT'), 700)`
/** Less than the deadline of a call, in milliseconds. */
const ENDS_AT_ONCE_MS = 6000
const BEFORE_THE_END = Date.parse('2026-11-01')
const folder = scratchFolder()
const file = join(folder, 'config.yaml')
const signer = createSigner('ES256')

let variables: Record<string, string>
const api = forAllTests(() => startChatKitApi({ port: 0 }))
const issuer = forAllTests(() => startKeyServer([signer.publicJwk]))
const own = forAllTests(() => startSampleServer())
beforeEach(async () => {
  api.api.clearRequests()
  own.server.clearRequests()
  writeFileSync(file, configOf())
  writeFileSync(join(folder, 'keys.json'), makeSigningKeys())
  variables = {
    CONFIG_FILE: file,
    OPENAI_API_KEY: API_KEY,
    OTHER_KEY,
    OPENAI_BASE_URL: api.url,
    STORE_URL: 'memory:',
    PUBLIC_URL: issuer.issuer,
    SIGNING_KEY_FILE: join(folder, 'keys.json'),
  }
})
afterEach(() => {
  api.api.setFaults({})
  own.server.setFaults({})
  issuer.jwksBehaviour = { kind: 'ok' }
})

function configOf(server = own.url): string {
  return `
issuers:
  - { issuer: '${issuer.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${issuer.jwksUri}' }
user: claims.sub
workflows:
  support: { id: wf_support, version: '3', rate_limits: { max_requests_per_1_minute: 30 } }
  other: { id: wf_other, api_key_env: OTHER_KEY }
  helpdesk: { server: '${server}' }
`
}

interface Checked extends Ended {
  readonly ok: boolean
  readonly checks: readonly Finding[]
  of(check: string): Finding | undefined
}

async function doctor(...words: readonly string[]): Promise<Checked> {
  const now = { nowMs: BEFORE_THE_END }
  const ran = await quickCli(['doctor', '--json', ...words], variables, now)
  expectNoSecret(ran)
  const { ok, checks } = JSON.parse(ran.out) as { ok: boolean; checks: Finding[] }
  expect(ran.code).toBe(ok ? 0 : 1)
  return { ...ran, ok, checks, of: (name) => checks.find(({ check }) => check === name) }
}

function expectNoSecret({ out, err }: Ended): void {
  const planted = [API_KEY, OTHER_KEY].map((value) => ({ what: 'an API key', value }))
  expect(leaksIn(out + err, planted)).toEqual([])
  expect(out + err).not.toMatch(/ek_|eyJ/)
}

/** A finding with this text in its message. */
const saying = (status: Finding['status'], text: string) => ({
  ...{ status, message: expect.stringContaining(text) },
})

const requestsTo = (path: RegExp) => api.api.requests().filter((seen) => path.test(seen.path))

describe('all is well', () => {
  test('one session per hosted workflow is minted as configured and cancelled', async () => {
    const { ok, checks, of } = await doctor()
    expect(checks.filter(({ status }) => status === 'wrong')).toEqual([])
    expect(ok).toBe(true)
    expect(of('workflow support')?.message).toBe(
      `minted and cancelled a session of wf_support with OPENAI_API_KEY (…cdef), project of the key, organization of the key, at ${api.url}`,
    )
    expect(of('workflow other')?.message).toContain('OTHER_KEY (…wxyz)')
    expect(of(`issuer ${issuer.issuer}`)).toMatchObject({ message: 'has keys for ES256' })
    const creates = requestsTo(/sessions$/)
    expect(creates.map(({ body }) => body)).toEqual(
      expect.arrayContaining([
        {
          user: 'chatkit-mint-doctor',
          workflow: { id: 'wf_support', version: '3', tracing: { enabled: false } },
          expires_after: { anchor: 'created_at', seconds: 10 },
          rate_limits: { max_requests_per_1_minute: 30 },
        },
      ]),
    )
    expect(creates).toHaveLength(2)
    expect(requestsTo(/cancel$/)).toHaveLength(2)
  })

  test('project and organization are sent and named', async () => {
    variables = { ...variables, OPENAI_PROJECT_ID: 'proj_9', OPENAI_ORG_ID: 'org-8' }
    const { of } = await doctor('--workflow', 'support')
    expect(of('workflow support')?.message).toContain('project proj_9, organization org-8')
    expect(requestsTo(/sessions$/)[0]?.headers).toMatchObject({
      'openai-project': 'proj_9',
      'openai-organization': 'org-8',
    })
  })

  test('--workflow limits the checks to one workflow, and --user is who they ask for', async () => {
    const { checks } = await doctor('--workflow', 'other', '--user', 'me')
    const names = checks.map(({ check }) => check).filter((check) => check.startsWith('workflow '))
    expect(names).toEqual(['workflow other'])
    expect(requestsTo(/sessions$/).map(({ body }) => body)).toMatchObject([{ user: 'me' }])
    expect(own.server.requests()).toEqual([])
  })

  test('the text has a line for each finding, with advice below it', async () => {
    const ran = await quickCli(['doctor'], variables, { nowMs: BEFORE_THE_END })
    expectNoSecret(ran)
    expect(ran).toMatchObject({ code: 0, err: '' })
    expect(ran.out).toContain(`ok    config: ${file} and the environment are right\n`)
    expect(ran.out).toMatch(
      /\nnote {2}hosted workflows: support, other\n {6}OpenAI runs hosted .*2026-11-30/,
    )
  })
})

describe('the ChatKit API', () => {
  const support = async () => (await doctor('--workflow', 'support')).of('workflow support')

  const refusing = (status: number, code: string, type = 'invalid_request_error') => ({
    status,
    body: { error: { message: 'planted', type, param: null, code } },
  })
  const PAGE = '<!doctype html><title>Blocked</title>'

  test.each<[string, Parameters<RunningChatKitApi['api']['setFaults']>[0], RegExp, RegExp]>([
    ['401', { status: 401 }, /status 401/, /the key …cdef in OPENAI_API_KEY is not accepted/],
    ['403', { status: 403 }, /status 403/, /give it permission/],
    ['404', { status: 404 }, /wf_support: status 404/, /a key of another project/],
    ['410', { status: 410 }, /status 410/, /no workflow wf_support/],
    ['400', { status: 400 }, /status 400/, /look at version, rate_limits/],
    ['429', { status: 429, retry_after: 120 }, /status 429/, /over its limit or out of credit/],
    ['500', { status: 500 }, /status 500/, /fails by itself/],
    ['a redirect', { status: 302 }, /status 302/, /not the ChatKit API/],
    ['HTML', { body: '<html>' }, /no session in the answer/, /check OPENAI_BASE_URL/],
  ])(
    'an answer of %s ends with 1, and says what is wrong and what to do',
    async (_name, faults, message, advice) => {
      api.api.setFaults(faults)
      const finding = await support()
      expect(finding).toMatchObject({ status: 'wrong' })
      expect(finding?.message).toMatch(message)
      expect(finding?.advice).toMatch(advice)
    },
  )

  test('a project to which the key does not belong is named', async () => {
    variables = { ...variables, OPENAI_PROJECT_ID: 'proj_9' }
    const { body } = refusing(401, 'mismatched_project')
    const error = { ...body.error, message: `${API_KEY} is not of proj_9` }
    api.api.setFaults({ status: 401, body: { error } })
    const finding = await support()
    expect(finding?.message).toContain('mismatched_project')
    expect(finding?.advice).toContain('is of another project than OPENAI_PROJECT_ID (proj_9)')
  })

  test('a project that nobody set is not named', async () => {
    api.api.setFaults(refusing(401, 'mismatched_project'))
    expect((await support())?.advice).toMatch(/is not accepted: make a new one/)
  })

  test.each<[string, Parameters<RunningChatKitApi['api']['setFaults']>[0], RegExp]>([
    [
      'a project with data residency, asked at the usual address',
      refusing(401, 'incorrect_hostname'),
      /region with an address of its own: set base_url .* https:\/\/eu\.api\.openai\.com\/v1$/,
    ],
    ['a key without the permission (403)', refusing(403, 'missing_scope'), /lacks a permission: g/],
    ['a key without the permission (401)', refusing(401, 'missing_scope'), /lacks a permission: g/],
    ['another organization', refusing(401, 'mismatched_organization'), /than OPENAI_ORG_ID: leave/],
    [
      'a country that is not served',
      refusing(403, 'unsupported_country_region_territory', 'request_forbidden'),
      /does not serve the country from which the call came: run the service, or the proxy/,
    ],
    ['a code that is new', refusing(403, 'brand_new'), /give it permission/],
    [
      "an error in the API's format without a name",
      { status: 401, body: { error: { message: 'planted' } } },
      /^the key \S+ in OPENAI_API_KEY is not accepted/,
    ],
    ['the page of a filter (403)', { status: 403, body: PAGE }, /403 with a page .* a filter on/],
    ['the page of a filter (401)', { status: 401, body: PAGE }, /401 with a page .* a filter on/],
    ['the page of a filter (404)', { status: 404, body: PAGE }, /404 with a page .* a filter on/],
    ['the page of a filter (200)', { body: PAGE }, /a filter on the way changes its answers/],
    ['a login page (302)', { status: 302 }, /a filter on the way changes its answers/],
  ])('%s: says what to do, and nothing of the message', async (_name, faults, advice) => {
    api.api.setFaults(faults)
    const finding = await support()
    expect(finding).toMatchObject({ status: 'wrong', advice: expect.stringMatching(advice) })
    expect(JSON.stringify(finding)).not.toContain('planted')
  })

  test.each(['', '/v1/chatkit', '/v1/chatkit/sessions', '/V1'])(
    'a base URL that ends in %j instead of /v1 is advised against',
    async (path) => {
      variables = { ...variables, OPENAI_BASE_URL: api.origin + path }
      expect((await support())?.advice).toMatch(
        /^check OPENAI_BASE_URL \(\S+\): the API's own address ends in \/v1/,
      )
    },
  )

  test('a slash at the end of the base URL does no harm', async () => {
    variables = { ...variables, OPENAI_BASE_URL: `${api.url}//` }
    expect(await support()).toMatchObject({ status: 'ok' })
  })

  test('base_url of a workflow is what is asked, and what is named', async () => {
    writeFileSync(file, configOf().replace("version: '3'", `base_url: ${api.origin}/europe`))
    expect((await support())?.advice).toMatch(/^check workflows\.support\.base_url \(\S+\/europe\)/)
  })

  test.each([
    [400, /look at version/],
    [403, /give it permission/],
    [404, /another project/],
    [410, /another project/],
  ])(
    'after the end of hosted workflows a %i also points to the guide',
    async (status, usualCause) => {
      api.api.setFaults({ status })
      expect((await support())?.advice).not.toContain('2026-11-30')
      const now = { nowMs: Date.parse('2026-11-30') }
      const { out } = await quickCli(['doctor', '--workflow', 'support'], variables, now)
      expect(out).toMatch(usualCause)
      expect(out).toMatch(/; or the workflow has ended: .*move-to-self-hosted\.md/)
    },
  )

  test('an address where nothing listens is named, with its variable', async () => {
    variables = { ...variables, OPENAI_BASE_URL: 'http://127.0.0.1:9/v1' }
    const finding = await support()
    expect(finding?.message).toContain('ECONNREFUSED')
    expect(finding?.advice).toMatch(/^nothing listens there: check OPENAI_BASE_URL/)
  })

  test('an API that hangs is reported after the deadline', async () => {
    api.api.setFaults({ hang: true })
    const finding = await support()
    expect(finding?.message).toContain('timeout')
    expect(finding?.advice).toMatch(/gave no whole answer in time/)
  })
})

test.each([
  ['the ChatKit API', 'support'],
  ['a ChatKit server', 'helpdesk'],
])(
  'Ctrl-C while %s hangs ends the doctor without a finding on it',
  async (_what, name) => {
    const seen = name === 'support' ? api.api : own.server
    seen.setFaults({ hang: true })
    const { io, said, controller } = streams(variables, false)
    const ended = runCli(['doctor', '--workflow', name], io)
    await expect.poll(() => seen.requests().length).toBe(1)
    controller.abort(new CommandError(EXIT.interrupted, 'interrupted'))
    expect(await ended).toBe(EXIT.interrupted)
    expect(said.out).not.toContain(`workflow ${name}`)
  },
  ENDS_AT_ONCE_MS,
)

describe('a session that must not remain', () => {
  const upstream = forEachTest(() => startScriptedUpstream())
  beforeEach(async () => {
    variables = { ...variables, OPENAI_BASE_URL: upstream.url }
  })
  const support = async () => (await doctor('--workflow', 'support')).of('workflow support')

  test('that cannot be cancelled is reported with its id', async () => {
    upstream.cancels = [{ kind: 'answer', status: 500 }]
    const finding = await support()
    const id = upstream.cancellations()[0]?.path.split('/').at(-2)
    expect(id).toBeDefined()
    expect(finding).toMatchObject({ status: 'wrong', session_left: id })
    expect(finding?.message).toContain(`minted the session ${id}, which could not be cancelled`)
    expect(finding?.advice).toContain('10 seconds')
  })

  test('of another user is refused and cancelled', async () => {
    upstream.creates = [{ kind: 'ok', changes: { user: 'mallory' } }]
    const finding = await support()
    expect(finding).toMatchObject(saying('wrong', 'of another user'))
    expect(finding).not.toHaveProperty('session_left')
    expect(upstream.cancellations()).toHaveLength(1)
  })

  test('of another user that cannot be cancelled is reported with its id', async () => {
    upstream.creates = [{ kind: 'ok', changes: { user: 'mallory' } }]
    upstream.cancels = [{ kind: 'answer', status: 500 }]
    const finding = await support()
    const id = upstream.cancellations()[0]?.path.split('/').at(-2) ?? 'none'
    expect(finding).toMatchObject({ status: 'wrong', session_left: id })
    expect(finding?.message).toContain(`the session ${id} was made all the same`)
  })
})

describe('self-hosted servers', () => {
  const helpdesk = async (...words: string[]) =>
    (await doctor('--workflow', 'helpdesk', ...words)).of('workflow helpdesk')

  test('are asked as the service asks them: a token for the server, threads.list', async () => {
    expect(await helpdesk()).toMatchObject({ status: 'ok', message: `${own.url} answers` })
    const [request] = own.server.requests()
    expect(JSON.stringify(request)).toContain('threads.list')
    expect(request?.headers['x-chatkit-user']).toBe('chatkit-mint-doctor')
    expect(request?.headers['authorization']).toMatch(/^Bearer eyJ/)
    expect(api.api.requests()).toEqual([])
  })

  test.each<[string, SampleFaults, RegExp]>([
    ['401', { status: 401 }, /PUBLIC_URL as issuer .*jwks\.json/],
    ['403', { status: 403 }, /PUBLIC_URL as issuer .*jwks\.json/],
    ['404', { status: 404 }, /check the path in workflows\.helpdesk\.server/],
    ['400', { status: 400 }, /does not speak the ChatKit protocol/],
    ['429', { status: 429 }, /too much to do: try again later/],
    ['HTML', { body: '<html>' }, /does not speak the ChatKit protocol/],
    ['500', { status: 500 }, /fails by itself/],
    ['no answer', { down: true }, /check workflows\.helpdesk\.server/],
  ])('%s', async (_name, faults, advice) => {
    own.server.setFaults(faults)
    const finding = await helpdesk()
    expect(finding).toMatchObject({ status: 'wrong' })
    expect(finding?.advice).toMatch(advice)
  })

  test('that refuse the token are not called wrong where no command can have the signing key', async () => {
    delete variables['SIGNING_KEY_FILE']
    own.server.setFaults({ status: 401 })
    expect(await helpdesk()).toMatchObject(saying('note', 'with a key of its own'))
    own.server.setFaults({ status: 500 })
    expect(await helpdesk()).toMatchObject({ status: 'wrong' })
  })

  test('that do not listen are reported as such', async () => {
    writeFileSync(file, configOf('http://127.0.0.1:9/chatkit'))
    expect((await helpdesk())?.advice).toMatch(/^nothing listens there/)
  })

  test('that show threads to a user who has none are named', async () => {
    const thread = {
      id: 'thr_1',
      title: null,
      created_at: '2026-01-01T00:00:00',
      items: { data: [], has_more: false },
    }
    own.server.setFaults({ body: { data: [thread], has_more: false } })
    expect(await helpdesk()).toMatchObject(saying('note', 'shows threads'))
    expect(await helpdesk('--user', 'alice')).toMatchObject({ status: 'ok' })
  })

  test.each([
    ['this version', ''],
    ['an older version', VERSION_1],
  ])('are asked with the signing keys that a SQLite file of %s holds', async (_name, older) => {
    const path = join(folder, `keys-${older.length}.db`)
    const kept = makeSigningKeys()
    if (older === '') {
      const registry = createSqliteRegistry({ path })
      await registry.keptKey('signing-keys', () => Buffer.from(kept))
      await registry.close()
    } else {
      const db = new DatabaseSync(path)
      db.exec(older)
      db.prepare('INSERT INTO kept_keys VALUES (?, ?)').run('signing-keys', Buffer.from(kept))
      db.close()
    }
    const { SIGNING_KEY_FILE: _file, ...rest } = variables
    variables = { ...rest, STORE_URL: `sqlite:${path}` }
    expect(await helpdesk()).toMatchObject({ status: 'ok' })
    const token = own.server.requests()[0]?.headers['authorization']?.slice('Bearer '.length) ?? ''
    const keys = createLocalJWKSet(readSigningKeys(kept, 'the test').publicKeys)
    const expected = { issuer: issuer.issuer, audience: own.url }
    const currentDate = new Date(BEFORE_THE_END)
    await expect(jwtVerify(token, keys, { ...expected, currentDate })).resolves.toBeDefined()
  })

  test('are not asked with other keys when the store that holds them cannot be opened', async () => {
    const { SIGNING_KEY_FILE: _file, ...rest } = variables
    variables = { ...rest, STORE_URL: `sqlite:${folder}` }
    const { of } = await doctor('--workflow', 'helpdesk')
    expect(of('store')).toMatchObject({ status: 'wrong' })
    expect(of('signing keys')).toMatchObject(saying('wrong', 'they are kept in the store'))
    expect(own.server.requests()).toEqual([])
  })

  test('cannot be checked with a key file that cannot be used', async () => {
    writeFileSync(join(folder, 'keys.json'), '{"keys":[]}')
    const { ok, of } = await doctor('--workflow', 'helpdesk')
    expect(ok).toBe(false)
    expect(of('signing keys')?.message).toMatch(/SIGNING_KEY_FILE: not a private JWK set/)
  })
})

describe('issuers, PUBLIC_URL and store', () => {
  test('an issuer whose key set fails, or has no key of the algorithms, is wrong', async () => {
    issuer.jwksBehaviour = { kind: 'answer', status: 500, body: '' }
    const failed = (await doctor('--workflow', 'support')).of(`issuer ${issuer.issuer}`)
    expect(failed).toMatchObject(saying('wrong', 'answered 500'))
    issuer.jwksBehaviour = { kind: 'ok' }
    writeFileSync(file, configOf().replace('[ES256]', '[RS256]'))
    const none = (await doctor('--workflow', 'support')).of(`issuer ${issuer.issuer}`)
    expect(none).toMatchObject({ status: 'wrong', message: 'its key set has no key for RS256' })
  })

  test.each<[string, KeyServerBehaviour, RegExp]>([
    [
      'answers with a page',
      { kind: 'answer', status: 200, body: '<!doctype html>' },
      /^see that jwks_uri \(http:.*\/jwks\.json\) is where the provider publishes its keys/,
    ],
    [
      'answers with another document',
      { kind: 'answer', status: 200, body: '{"issuer":"https://login.test"}' },
      /^see that jwks_uri /,
    ],
  ])('an issuer whose address of keys %s gets advice', async (_name, behaviour, advice) => {
    issuer.jwksBehaviour = behaviour
    const { status, advice: given } =
      (await doctor('--workflow', 'support')).of(`issuer ${issuer.issuer}`) ?? {}
    expect({ status, given }).toEqual({ status: 'wrong', given: expect.stringMatching(advice) })
  })

  test('an issuer with keys at an address where nothing listens gets advice on that address', async () => {
    const nowhere = 'http://127.0.0.1:9/keys'
    writeFileSync(file, configOf().replace(issuer.jwksUri, nowhere))
    const found = (await doctor('--workflow', 'support')).of(`issuer ${issuer.issuer}`)
    const advice = `nothing listens there: check jwks_uri (${nowhere}), and that it runs`
    expect(found).toMatchObject({ status: 'wrong', advice })
  })

  test('an issuer that does not answer is not taken for one with another name', async () => {
    issuer.discoveryBehaviour = { kind: 'hang' }
    writeFileSync(file, configOf().replace(/, jwks_uri: [^ ]+/, ''))
    const found = (await doctor('--workflow', 'support')).of(`issuer ${issuer.issuer}`)
    issuer.discoveryBehaviour = { kind: 'ok' }
    expect(found).toMatchObject({
      status: 'wrong',
      advice: expect.stringMatching(/^check issuer \(http:.*firewalls/),
    })
  })

  test('an issuer written without the slash that the provider has gets the right spelling', async () => {
    issuer.discovery = { issuer: `${issuer.issuer}/` }
    writeFileSync(file, configOf().replace(/, jwks_uri: [^ ]+/, ''))
    const { of } = await doctor('--workflow', 'support')
    issuer.discovery = {}
    const { status, message, advice } = of(`issuer ${issuer.issuer}`) ?? {}
    expect(status).toBe('wrong')
    expect(message).toContain(
      `names the issuer "${issuer.issuer}/", expected "${issuer.issuer}"; write issuer: "${issuer.issuer}/" in the config`,
    )
    expect(advice).toContain(
      '/.well-known/openid-configuration, letter by letter; see that its jwks_uri answers with keys',
    )
  })

  test('PUBLIC_URL where nothing answers is a note: the service may not run yet', async () => {
    variables = { ...variables, PUBLIC_URL: 'http://127.0.0.1:9' }
    const { ok, of } = await doctor('--workflow', 'support')
    expect(ok).toBe(true)
    expect(of('PUBLIC_URL')).toMatchObject(saying('note', 'ECONNREFUSED'))
  })

  test('PUBLIC_URL where another program answers, or in plain http, is a note', async () => {
    variables = { ...variables, PUBLIC_URL: `${api.origin}/elsewhere` }
    const other = await doctor('--workflow', 'support')
    expect(other.of('PUBLIC_URL')).toMatchObject(saying('note', '/elsewhere/livez answered 404'))
    variables = { ...variables, PUBLIC_URL: 'http://chat.invalid' }
    const plain = await doctor('--workflow', 'support')
    const notes = plain.checks.filter(({ check }) => check === 'PUBLIC_URL')
    // The second code is the one where there is no network.
    const unknown = { status: 'note', message: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/) }
    expect(notes).toMatchObject([saying('note', 'is plain http'), unknown])
  })

  test('SQLite that is not there yet is not made: the service’s user makes it', async () => {
    const path = join(folder, 'deep/new.db')
    // Its signing keys are made then too.
    const { SIGNING_KEY_FILE: _file, ...rest } = variables
    variables = { ...rest, STORE_URL: `sqlite:${path}` }
    const { ok, of } = await doctor()
    expect(ok).toBe(true)
    expect(of('store')).toMatchObject(saying('note', 'is not there yet'))
    expect(existsSync(join(folder, 'deep'))).toBe(false)
    variables = { ...variables, STORE_URL: `sqlite:${file}/new.db` }
    expect((await doctor()).of('store')).toMatchObject(saying('wrong', 'cannot be made'))
  })

  test('a SQLite file is opened, and no user’s data is written', async () => {
    const path = join(folder, 'store.db')
    await createSqliteRegistry({ path }).close()
    variables = { ...variables, STORE_URL: `sqlite:${path}` }
    expect((await doctor()).of('store')).toMatchObject({ status: 'ok' })
    const db = new DatabaseSync(path)
    for (const table of ['sessions', 'outbox', 'audit']) {
      expect(db.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 })
    }
    db.close()
    expect(readFileSync(path).includes('chatkit-mint-doctor')).toBe(false)
  })

  test('a SQLite file of an older version stays as it is', async () => {
    const path = join(folder, 'older.db')
    const db = new DatabaseSync(path)
    db.exec(VERSION_1)
    variables = { ...variables, STORE_URL: `sqlite:${path}` }
    const { ok, of } = await doctor()
    expect(ok).toBe(true)
    expect(of('store')).toMatchObject(saying('note', OLDER))
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 })
    db.close()
  })

  test('a SQLite file of an older version that another process locks meanwhile stays as it is', async () => {
    const path = join(folder, 'locked.db')
    const db = new DatabaseSync(path)
    db.exec(VERSION_1)
    const holder = spawn(process.execPath, ['-e', HOLDS_LOCK, path], { stdio: 'pipe' })
    await once(holder.stdout, 'data')
    const { findings } = await checkStore({ kind: 'sqlite', path })
    expect(findings).toMatchObject([saying('note', OLDER)])
    expect(db.prepare('PRAGMA user_version').get()).toEqual({ user_version: 1 })
    db.close()
  })

  test('a SQLite file of another program is wrong, and the other checks still run', async () => {
    const path = join(folder, 'broken.db')
    writeFileSync(path, 'not a database, whatever its name says'.repeat(100))
    variables = { ...variables, STORE_URL: `sqlite:${path}` }
    const { ok, of } = await doctor()
    expect(ok).toBe(false)
    expect(of('store')).toMatchObject({
      status: 'wrong',
      advice: expect.stringContaining('STORE_URL'),
    })
    expect(of('workflow support')).toMatchObject({ status: 'ok' })
  })

  test('a Redis that is not there is wrong, and its password is not shown', async () => {
    variables = { ...variables, STORE_URL: 'redis://:hunter2secret@127.0.0.1:9' }
    const ran = await doctor('--workflow', 'support')
    expect(ran.of('store')).toMatchObject({
      status: 'wrong',
      message:
        'redis: nothing listens at this address (127.0.0.1:9: connect ECONNREFUSED 127.0.0.1:9)',
    })
    expect(ran.out).not.toContain('hunter2secret')
  })

  test.skipIf(!wantsRedis())(
    'a Redis that answers is fine, and what it may lose is a note (needs redis-server)',
    async () => {
      const redis = await startRedis()
      try {
        variables = { ...variables, STORE_URL: redis.url }
        const { ok, checks } = await doctor('--workflow', 'support')
        expect(ok).toBe(true)
        const store = checks.filter(({ check }) => check === 'store')
        expect(store.map(({ status }) => status)).toEqual(['ok', 'note', 'note'])
        expect(store[1]?.message).toBe('redis: the primary has 0 replicas')
        expect(store[2]?.message).toContain('append-only')
      } finally {
        await redis.close()
      }
    },
  )
})

describe('environment and config', () => {
  test('every problem that would stop the start is named, and nothing else is tried', async () => {
    const { OPENAI_API_KEY: _key, ...rest } = variables
    variables = { ...rest, PORT: 'x' }
    const { checks } = await doctor()
    const wrong = checks.filter(({ status }) => status === 'wrong').map(({ message }) => message)
    expect(wrong).toEqual([
      'PORT: must be a port, 0 to 65535',
      expect.stringContaining('needs OPENAI_API_KEY in the environment'),
    ])
    expect(api.api.requests()).toEqual([])
  })

  test.each([
    ['a file that is not there', ['--config', '/nowhere.yaml'], 1, ''],
    ['an unknown workflow', ['--workflow', 'nope'], 2, 'the config has support, other, helpdesk'],
    ['a user without characters', ['--user', ''], 2, '1 to 512'],
  ])('%s', async (_name, words, code, err) => {
    const ran = await quickCli(['doctor', ...words], variables)
    expect(ran.code).toBe(code)
    expect(ran.err).toContain(err)
    expect(api.api.requests()).toEqual([])
  })
})
