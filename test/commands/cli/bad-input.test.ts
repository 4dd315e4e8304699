import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli } from './run-cli.ts'

let env: Record<string, string>
const api = forAllTests(() => startChatKitApi({ port: 0 }))
beforeAll(async () => {
  env = { OPENAI_BASE_URL: api.url, OPENAI_API_KEY: 'sk-planted-key' }
})
beforeEach(() => api.api.clearRequests())

/** A service that must never be called. */
const SERVICE = { CHATKIT_MINT_URL: 'http://127.0.0.1:1', CHATKIT_MINT_TOKEN: 'a.b.c' }

const ID = 'cthr_1'
const LIST = ['threads', 'list']
const create = (...words: string[]) => ['sessions', 'create', '--user', 'x', ...words]
const account = (text: string) => workflow(`{id: id, state_variables: {account: ${text}}}`)
const UNSAFE = /account: is a number that cannot be kept exactly; put it in quotes/
const CUT = /--workflow: Write an object as '\{key: value\}'.*without quotes a shell cuts it/
const workflow = (text: string) => create('--workflow', text)

describe('refused with 2 and what to do, and nothing is sent', () => {
  test.each([
    ['limit -1', [...LIST, '--limit', '-1'], /--limit.*0 to 100/],
    ['limit 101', [...LIST, '--limit', '101'], /--limit.*0 to 100/],
    ['limit text', [...LIST, '--limit', 'ten'], /--limit.*0 to 100/],
    ['limit 1e1', [...LIST, '--limit', '1e1'], /--limit.*0 to 100/],
    ['limit of items', ['threads', 'list-items', '--thread-id', ID, '--limit', '101'], /--limit/],
    ['limit of sessions', ['sessions', 'list', '--limit', '101'], /--limit/],
    ['order', [...LIST, '--order', 'up'], /--order.*asc, desc/],
    ['an empty cursor', [...LIST, '--after', ''], /--after/],
    ['id with a slash', ['threads', 'retrieve', '--thread-id', 'a/b'], /--thread-id.*letters/],
    ['id of dots', ['threads', 'delete', '--thread-id', '..'], /--thread-id.*letters/],
    ['id of 200', ['threads', 'delete', '--thread-id', 'x'.repeat(200)], /--thread-id.*1 to 128/],
    ['id with an escape', ['sessions', 'cancel', '--session-id', '%2e'], /--session-id.*letters/],
    ['no id', ['threads', 'retrieve'], /no id is named.*--thread-id/],
    ['an empty user', [...LIST, '--user', ''], /--user.*1 to 512/],
    ['no user', ['sessions', 'create', '--workflow', '{id: wf_1}'], /--user/],
    ['no workflow', create(), /--workflow/],
    ['text for an object', workflow('wf_1'), /--workflow: .*'\{key: value\}'/],
    ['a list', workflow('[id, wf_1]'), /--workflow: .*'\{key: value\}'/],
    ['an open brace', workflow('{id: wf_1'), /--workflow: .*'\{key: value\}'/],
    ['no space after the colon', workflow('{id:wf_1}'), /id: is missing.*space/],
    ['a number for text', workflow('{id: wf_1, version: 3}'), /version: .*put it in quotes/],
    ['a number beyond 2^53', account('12345678901234567890'), UNSAFE],
    ['the same in JSON', workflow('{"id": "id", "state_variables": {"account": -1E20}}'), UNSAFE],
    ['the same deeper', workflow('{id: id, tracing: {enabled: 9007199254740993}}'), /quotes/],
    ['the same in hexadecimal', account('0x7fffffffffffffff'), UNSAFE],
    ['the same with a point', account('9007199254740993.0'), UNSAFE],
    ['a number whose zeros would go', account('0042'), UNSAFE],
    ['the same as a key', workflow('{id: id, state_variables: {9007199254740993: 1}}'), /quotes/],
    ['a number without end', account('1e400'), UNSAFE],
    ['input with such a number', create('--input', '{a: 12345678901234567890}'), /a: .*quotes/],
    ['version null', workflow('{id: id, version: null}'), /version: is null; leave it out/],
    ['tracing null', workflow('{id: id, tracing: null}'), /tracing: is null; leave it out/],
    ['an object without quotes', [...create('--workflow'), '{id:', 'id}'], CUT],
    ['another one', create('--expires-after', '{anchor:', 'now}'), /--expires-after.*cuts it/],
    ['single quotes of a prompt that has none', workflow("'{id:"), /double quotes/],
    ['a list as a state variable', account('[1]'), /account: must be text, a number, true or f/],
    ['an object as one', account('{b: 1}'), /account: must be text, a number, true or false/],
    ['null as one', account('null'), /account: is null; leave it out/],
    ['text for a number', create('--rate-limits', '{max_requests_per_1_minute: "7"}'), /unquoted/],
    ['a boolean for text', workflow('{id: true}'), /id: must be text; .*\{id: "true"\}/],
    ['an unknown key', workflow('{id: wf_1, colour: red}'), /"colour"/],
    ['a repeated key', workflow('{id: wf_1, id: wf_2}'), /repeats a key/],
    ['an alias', workflow('{id: &a wf_1, version: *a}'), /alias/],
    ['a prototype', workflow('{id: wf_1, __proto__: {}}'), /not a name/],
    ['two documents', workflow('{id: wf_1}\n--- {}'), /--workflow/],
    ['seconds', create('--expires-after', '{anchor: created_at, seconds: 601}'), /seconds: .*600/],
    ['no anchor', create('--expires-after', '{seconds: 60}'), /anchor: .*write anchor: created_at/],
    ['another anchor', create('--expires-after', '{anchor: now, seconds: 1}'), /must be created_a/],
    ['rate', create('--rate-limits', '{max_requests_per_1_minute: 0}'), /max_requests_per_1_min/],
    ['megabytes', create('--chatkit-configuration', '{file_upload: {max_file_size: 513}}'), /512/],
    ['input', create('--workflow', '{id: wf_1}', '--input', '{}'), /--input/],
    ['workflow of a list', [...LIST, '--workflow', 'support'], /--workflow.*API/],
    ['sessions of the API', ['sessions', 'list'], /API has no call that lists.*--url/s],
    ['two targets', [...LIST, '--api-key', 'sk-x', '--url', 'https://a.example'], /--url/],
    ['a plain address', [...LIST, '--url', 'http://a.example'], /--url must be an https/],
    ['another', [...LIST, '--base-url', 'http://a.example'], /--base-url must be an https/],
    ['an unknown command', ['threads', 'lsit'], /unknown command 'lsit'.*list/s],
    ['one that is like its opposite', ['users', 'block', 'x'], /^(?!.*mean).*revoke, unblock/],
    ['an option unlike any', ['users', 'revoke', 'x', '--ban'], /'--ban'; .*--block-seconds/],
    ['an id with escape sequences', ['sessions', 'cancel', '\x1b[2J'], /'\\u\{1b\}\[2J'/],
    ['a command with some', ['threads', 'l\x1b[2J'], /'l\\u\{1b\}\[2J'; known here: list/],
    ['an unknown option', [...LIST, '--limt', '3'], /unknown option '--limt'.*--limit/s],
    ['a value of an option that is known', [...LIST, '--limit', 'x'], /^(?!.*known here)/s],
    ['a shell', ['completion', 'tcsh'], /bash, zsh, fish/],
    ['no command', [], /Usage: chatkit-mint/],
  ])('%s', async (_name, words, message) => {
    const { code, out, err } = await quickCli(words, env)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(message)
    expect(api.api.requests()).toEqual([])
  })

  test.each(['', '.', '..', 'a\nb', 'x'.repeat(513), '\ud800'])('user %j', async (user) => {
    for (const verb of ['revoke', 'unblock', 'export', 'erase']) {
      const { code, out, err } = await quickCli(['users', verb, user], SERVICE)
      expect({ code, out }).toEqual({ code: 2, out: '' })
      expect(err).toContain('A user has 1 to 512 characters')
    }
  })

  test.each(['-1', '1.5', '31536001', 'day'])('block seconds %s', async (seconds) => {
    const words = ['users', 'revoke', 'bob', '--block-seconds', seconds]
    expect(await quickCli(words, SERVICE)).toMatchObject({ code: 2, out: '' })
  })
})

const PASTED = 'eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl'

describe('a missing setting', () => {
  test.each([
    ['neither key nor service', LIST, {}, /OPENAI_API_KEY.*CHATKIT_MINT_URL/s],
    ['no service for users', ['users', 'revoke', 'bob'], {}, /CHATKIT_MINT_URL/],
    ['no token', ['users', 'revoke', 'bob', '--url', 'https://a.example'], {}, /--token-file/],
    ['address', LIST, { OPENAI_BASE_URL: 'ftp://a' }, /^chatkit-mint: OPENAI_BASE_URL: /],
    ['service', LIST, { CHATKIT_MINT_URL: 'http://a.b' }, /CHATKIT_MINT_URL: must/],
    ['key file', LIST, { OPENAI_API_KEY_FILE: '/no/such' }, /cannot read \/no\/such/],
    ['key twice', LIST, { OPENAI_API_KEY: 'sk-secret', OPENAI_API_KEY_FILE: '/no' }, /unset one/],
    ['a key of two lines', LIST, { OPENAI_API_KEY: 'sk-a\nsecret' }, /characters/],
  ])('(%s) ends with 78', async (_name, words, variables, message) => {
    const { code, out, err } = await quickCli(words, variables as Record<string, string>)
    expect({ code, out }).toEqual({ code: 78, out: '' })
    expect(err).toMatch(message)
    expect(err).not.toContain('secret')
  })

  test.each([
    ['--token-file', ['--token-file', PASTED], {}, 66],
    ['CHATKIT_MINT_TOKEN_FILE', [], { CHATKIT_MINT_TOKEN_FILE: PASTED }, 78],
  ])('a token where %s wants a path is not printed', async (name, words, variables, code) => {
    const command = ['blocks', 'list', '--url', 'https://a.example', ...words]
    const ran = await quickCli(command, variables as Record<string, string>)
    expect(ran).toMatchObject({ code, out: '' })
    expect(ran.err).toMatch(
      new RegExp(`^chatkit-mint: ${name}: cannot read the file that it names`),
    )
    expect(ran.err).not.toContain('eyJ')
  })

  test('a token file without an end ends with 78', async () => {
    const words = ['blocks', 'list', '--url', 'https://a.example', '--token-file', '/dev/zero']
    const ran = await quickCli(words)
    expect(ran).toMatchObject({ code: 78, out: '' })
    expect(ran.err).toMatch(/^chatkit-mint: \/dev\/zero is longer than a token can be/)
  })

  test('variables that only the server needs are not checked', async () => {
    const variables = { ...env, PORT: 'x', STORE_URL: 'y', PUBLIC_URL: 'z' }
    expect(await quickCli(LIST, variables)).toMatchObject({ code: 0, err: '' })
  })
})

describe('a text that is no API key: the message says what to do, and nothing is sent', () => {
  const verbatim = [
    "beta:chatkit:sessions cancel --api-key 'My API Key' --session-id cksess_123",
    "beta:chatkit:sessions create --api-key 'My API Key' --user x --workflow '{id: id}'",
    "beta:chatkit:threads list-items --api-key 'My API Key' --thread-id cthr_123",
    "beta:chatkit:threads retrieve --api-key 'My API Key' --thread-id cthr_123",
    "beta:chatkit:threads delete --api-key 'My API Key' --thread-id cthr_123",
    "beta:chatkit:threads list --api-key 'My API Key'",
  ]
  test.each(verbatim)('the reference, verbatim: %s', async (line) => {
    const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, one, two]) => one ?? two ?? '')
    const { code, out, err } = await quickCli(words, { OPENAI_BASE_URL: api.url })
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('the API key (--api-key) is a placeholder, and no key; put a key of your')
    expect(api.api.requests()).toEqual([])
  })

  // All such texts are in test/config/file/needed-secrets.test.ts.
  test('in quotes, as an option and in the environment', async () => {
    const key = '"sk-planted"'
    const err = expect.stringContaining('in quotes; leave them out')
    const option = await quickCli([...LIST, '--api-key', key], env)
    expect(option).toMatchObject({ code: 2, out: '', err })
    const set = await quickCli(LIST, { ...env, OPENAI_API_KEY: key })
    expect(set).toMatchObject({ code: 78, out: '', err })
    expect(option.err + set.err).not.toContain('planted')
    expect(api.api.requests()).toEqual([])
  })
})

test('an empty --api-key is an error, and the key of the environment is not used instead', async () => {
  for (const key of ['', ' ']) {
    const { code, out, err } = await quickCli([...LIST, '--api-key', key], env)
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain('the API key (--api-key) is empty')
  }
  expect(api.api.requests()).toEqual([])
})

describe('the target', () => {
  test('is the service when both are set, unless an option says otherwise', async () => {
    const both = { ...env, ...SERVICE }
    const service = await quickCli(LIST, both)
    expect(service).toMatchObject({ code: 69 })
    expect(service.err).toContain('http://127.0.0.1:1')
    const words = [...LIST, '--api-key', 'sk-from-an-option']
    expect(await quickCli(words, both)).toMatchObject({ code: 0, err: '' })
    expect(api.api.requests().map((one) => one.key_hint)).toEqual(['…tion'])
  })
})

describe('refusals of the API and failures of the network', () => {
  test.each([
    [{ status: 401 }, 77, 'upstream_auth_failed'],
    [{ status: 403 }, 77, 'upstream_auth_failed'],
    [{ status: 404 }, 1, 'workflow_unavailable'],
    [{ status: 422 }, 1, 'upstream_rejected'],
    [{ status: 429 }, 75, 'upstream_rate_limited'],
    [{ status: 500 }, 69, 'upstream_unavailable'],
    [{ body: '{}' }, 1, 'upstream_invalid_response'],
  ])('%j end with %i and the code %s', async (faults, exitCode, errorCode) => {
    api.api.setFaults({ ...faults, times: 5 })
    const ended = await quickCli(workflow('{id: wf_1}'), env)
    api.api.setFaults({})
    expect(ended).toMatchObject({ code: exitCode, out: '' })
    expect(ended.err).toContain(`\ncode: ${errorCode}\nreason: `)
    expect(ended.err).not.toContain('sk-planted-key')
  })

  test('an unusable session is named with its id, so that it can be cancelled', async () => {
    const odd = { id: 'cksess_odd', status: 'expired', client_secret: 'ek_x' }
    const body = { ...odd, expires_at: 1, user: 'x' }
    api.api.setFaults({ body: JSON.stringify(body), times: 1 })
    const ended = await quickCli(workflow('{id: wf_1}'), env)
    expect(ended).toMatchObject({ code: 1, out: '' })
    expect(ended.err).toContain('sessions cancel --session-id cksess_odd')
    expect(ended.err).not.toContain('ek_x')
  })

  test('an address without a server ends with 69 and names the address', async () => {
    const nobody = await quickCli(LIST, { ...env, OPENAI_BASE_URL: 'http://127.0.0.1:1' })
    expect(nobody).toMatchObject({ code: 69, out: '' })
    expect(nobody.err).toContain('code: upstream_unavailable')
    const down = await quickCli(['users', 'revoke', 'bob'], SERVICE)
    expect(down).toMatchObject({ code: 69, out: '' })
    expect(down.err).toMatch(/no answer from http:\/\/127\.0\.0\.1:1 .*CHATKIT_MINT_URL/)
    expect(down.err).not.toContain('a.b.c')
  })
})

test.each([
  [[...LIST, '--apikey=sk-mistyped-1']],
  [[...LIST, 'sk-mistyped-1']],
  [['sk-mistyped-1']],
  [['jwt', 'eyJhbGciOiJub25lIn0.sk-mistyped-1']],
])('a secret in the wrong place is not repeated: %j', async (words) => {
  const { code, out, err } = await quickCli(words, env)
  expect(code).toBe(2)
  expect(out + err).not.toMatch(/mistyped|eyJhbGci/)
})
