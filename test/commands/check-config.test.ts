import { spawnSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { forgottenFiles } from '../../src/config/forgotten-files.ts'
import { MINIMAL } from '../config/fixtures.ts'
import { currentBundle } from '../deploy/bundle.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { NODE, PREPARED, WITHOUT_ENV_FILE } from '../support/service-process.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const folder = scratchFolder()

/** Runs the command from the bundle, which is quicker, with an empty environment: it needs none. */
function check(...args: string[]): { code: number | null; out: string; err: string } {
  const command = [...PREPARED, join(currentBundle(NODE), 'commands/check-config.js'), ...args]
  const run = spawnSync(NODE, command, { cwd: ROOT, env: WITHOUT_ENV_FILE, encoding: 'utf8' })
  return { code: run.status, out: run.stdout, err: run.stderr }
}

function write(name: string, content: string | Uint8Array): string {
  const file = join(folder, name)
  writeFileSync(file, content)
  return file
}

test('a valid file ends with 0, one line, and nothing on standard error', () => {
  const file = write('right.yaml', MINIMAL)
  expect(check(file)).toEqual({
    code: 0,
    out: `${file}: ok: 1 issuer, 1 workflow; npm start needs OPENAI_API_KEY\n`,
    err: '',
  })
})

test('a key set in the file without a usable key is an error, as it is at the start', () => {
  const jwks = 'jwks: { keys: [{ kty: RSA }] }\n    audience:'
  const file = write('keys.yaml', MINIMAL.replace('audience:', jwks))
  const { code, err } = check(file)
  expect(code).toBe(78)
  expect(err).toBe(
    `${file}:3: issuers[0].jwks: key set refused: no key for signatures; key 0: is malformed\n`,
  )
})

test('a key set in the file may hold a key of an unknown kind beside one that can be used', () => {
  const usable = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const jwks = JSON.stringify({ keys: [{ kty: 'AKP', alg: 'ML-DSA-44', pub: 'AA' }, usable] })
  const config = MINIMAL.replace('RS256', 'EdDSA')
  const file = write('kinds.yaml', config.replace('audience:', `jwks: ${jwks}\n    audience:`))
  expect(check(file)).toMatchObject({ code: 0, err: '' })
})

// The examples are loaded, and more, in test/config/examples.test.ts.
test('the shipped file is valid apart from its placeholders, each of which is an error with its line', () => {
  const shipped = 'config/chatkit-mint.yaml'
  const { code, out, err } = check(shipped)
  expect({ code, out }).toEqual({ code: 78, out: '' })
  expect(err.trimEnd().split('\n')).toEqual([
    expect.stringMatching(
      /chatkit-mint\.yaml:\d+: issuers\[0\]\.issuer: is the placeholder acme\.exam/,
    ),
    expect.stringMatching(
      /chatkit-mint\.yaml:\d+: workflows\.support\.id: is the placeholder wf_repl/,
    ),
  ])
  const text = readFileSync(join(ROOT, shipped), 'utf8')
  const replaced = text.replace('wf_replace_me', 'wf_68e5c3')
  const half = check(write('half.yaml', replaced))
  expect(half).toMatchObject({ code: 78, err: expect.not.stringContaining('wf_') })
  const file = write('whole.yaml', replaced.replace('//login.acme.example', '//login.corp.test'))
  const whole = check(file)
  expect(whole).toMatchObject({ code: 0, err: '' })
  expect(whole.out).toContain(
    `${file}: note: cors.origins: https://app.acme.example is a placeholder; put your app's origin`,
  )
})

test('names what the service will need besides: secrets, its own address, keys for several instances', () => {
  const own = MINIMAL.replace('id: wf_1', 'server: http://helpdesk.internal:8000/chatkit')
  expect(check(write('own.yaml', own)).out).toContain(
    'npm start needs PUBLIC_URL, with Redis SIGNING_KEY_FILE\n',
  )
  const console = `admins: { when: 'true' }
console: { issuer: https://login.corp.test/, client_id: c, client_secret_env: CONSOLE_SECRET }
`
  expect(check(write('console.yaml', MINIMAL + console)).out).toContain(
    'npm start needs OPENAI_API_KEY, CONSOLE_SECRET, PUBLIC_URL, with Redis CONSOLE_COOKIE_KEY\n',
  )
})

test('a wrong file ends with 78, a line for each error, and nothing on standard output', () => {
  const text = `${MINIMAL.replace('[chat-api]', '[]')}    expires_after: { seconds: 601 }\ncors: { origins: ['*'] }\ncolour: red\n`
  const file = write('wrong.yaml', text)
  const { code, out, err } = check(file)
  expect({ code, out }).toEqual({ code: 78, out: '' })
  expect(err.trimEnd().split('\n')).toEqual([
    `${file}:3: issuers[0].audience: needs at least 1 entry`,
    `${file}:9: workflows.support.expires_after.seconds: must be at most 600`,
    `${file}:10: cors.origins[0]: must be an exact origin; "*" would let every website in`,
    expect.stringContaining(`${file}:11: colour: is not a known key; known here: issuers, user,`),
  ])
})

describe('a file that cannot be read: exit 78', () => {
  test.each([
    ['a missing file', () => join(folder, 'none.yaml'), /none\.yaml:1: \(file\): does not exist/],
    ['a folder', () => folder, /:1: \(file\): cannot be read \(EISDIR\)/],
    ['an empty file', () => write('empty.yaml', ''), /:1: \(file\): is empty/],
    ['bytes that are no text', () => write('b.yaml', Buffer.from([0x61, 0xff])), /is not UTF-8/],
    [
      'an alias bomb',
      () => write('bomb.yaml', 'a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]\n'),
      /:2: b\[0\]: has an alias/,
    ],
  ])('%s', (_name, file, message) => {
    const { code, out, err } = check(file())
    expect({ code, out }).toEqual({ code: 78, out: '' })
    expect(err).toMatch(message)
    expect(err).not.toContain('at ')
  })
})

test.each([[[]], [['a.yaml', 'b.yaml']], [['--json']]])(
  'wrong usage %j: exit 64 and how to use it',
  (args) => {
    expect(check(...args)).toEqual({
      code: 64,
      out: '',
      err: 'usage: npm run check-config -- FILE\n',
    })
  },
)

describe('notes', () => {
  const root = scratchFolder()
  mkdirSync(join(root, 'config'))

  test('an own config file that CONFIG_FILE does not name is reported, and other YAML files are not', () => {
    const forgotten = (CONFIG_FILE?: string) => forgottenFiles({ CONFIG_FILE }, root)
    for (const file of ['chatkit-mint.yaml', 'compose.yaml', 'local.yaml']) {
      const text = file === 'compose.yaml' ? 'services:\n  issuers: {}\n' : 'issuers: []\n'
      writeFileSync(join(root, 'config', file), text)
    }
    expect(forgotten()).toEqual([
      'CONFIG_FILE: is not set, so config/chatkit-mint.yaml was read, which came with the service; config/local.yaml is there too: set CONFIG_FILE=config/local.yaml',
    ])
    expect(forgotten(' ')).toHaveLength(1)
    expect(forgotten('config/chatkit-mint.yaml')).toEqual([])
    writeFileSync(join(root, 'config/another.yml'), 'issuers: []\n')
    expect(forgotten()[0]).toMatch(/another\.yml, config\/local\.yaml are there too/)
    for (const file of ['another.yml', 'local.yaml']) rmSync(join(root, 'config', file))
    expect(forgotten()).toEqual([])
    expect(forgottenFiles({}, join(root, 'nothing'))).toEqual([])
  })

  test('the notes stand below the line that says that the file is right', () => {
    const { code, out } = check(write('idle.yaml', `${MINIMAL}client_ip_header: fly-client-ip\n`))
    expect(code).toBe(0)
    expect(out).toMatch(/: ok: .*\n.*: note: client_ip_header: fly-client-ip is never read/)
  })
})
