import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { readSetup } from '../../src/config/setup.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { MINIMAL, minimalWith, problemsIn } from './fixtures.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = scratchFolder()
  file = join(folder, 'c.yaml')
  writeFileSync(file, MINIMAL)
})

const API_KEY = 'sk-planted-0123456789'
type Variables = Record<string, string>

const setup = (variables: Variables = {}) =>
  readSetup({ CONFIG_FILE: file, OPENAI_API_KEY: API_KEY, ...variables })

const problemsOf = (variables: Variables) => problemsIn(() => setup(variables))

test('a valid environment with a valid file is a setup', () => {
  const { environment, settings } = setup({ PORT: '1234' })
  expect(environment.port).toBe(1234)
  expect(environment.secret('OPENAI_API_KEY')?.().reveal()).toBe(API_KEY)
  expect(settings.workflows.map(({ name }) => name)).toEqual(['support'])
})

describe('the file', () => {
  test('that is not there is named, with what to do', () => {
    expect(problemsOf({ CONFIG_FILE: `${file}.no` })).toEqual([
      expect.stringMatching(
        /c\.yaml\.no: cannot be read \(ENOENT\); set CONFIG_FILE to your file; config\/examples has one/,
      ),
    ])
  })

  test('that an option names is read from there alone, and CONFIG_FILE is not advised', () => {
    expect(() => readSetup({ CONFIG_FILE: file }, `${file}.no`)).toThrow(
      /c\.yaml\.no: cannot be read \(ENOENT\); give the path of your file; config\/examples/,
    )
  })

  test('whose name is in quotes is named, with the advice to leave them out', () => {
    expect(problemsOf({ CONFIG_FILE: `'${file}'` })).toEqual([
      expect.stringMatching(/cannot be read \(ENOENT\).*; leave the quotes out$/),
    ])
  })

  test('that is a folder, or no UTF-8, cannot be read', () => {
    expect(problemsOf({ CONFIG_FILE: folder })).toEqual([
      expect.stringMatching(/cannot be read \(EISDIR\); it is a folder, which Docker makes/),
    ])
    writeFileSync(file, Buffer.from([0x75, 0xff, 0xfe]))
    expect(problemsOf({})).toEqual([
      expect.stringMatching(/c\.yaml: is not UTF-8 text; save it as UTF-8$/),
    ])
  })

  test('gives each of its problems a line: file, line, key', () => {
    writeFileSync(file, minimalWith('[chat-api]', '[]').replace('wf_1', "''"))
    const problems = problemsOf({})
    expect(problems).toHaveLength(2)
    expect(problems[0]).toMatch(/c\.yaml:3: issuers\[0\]\.audience: /)
    expect(problems[1]).toMatch(/c\.yaml:8: workflows\.support\.id: /)
  })
})

describe('all problems come at once', () => {
  test('of the environment, of the file, and of a secret that is missing', () => {
    writeFileSync(file, minimalWith('[chat-api]', '[]'))
    const problems = problemsOf({ PORT: 'planted', LOG_LEVEL: 'planted', OPENAI_API_KEY: '' })
    expect(problems).toEqual([
      'PORT: must be a port, 0 to 65535',
      expect.stringMatching(/^LOG_LEVEL: /),
      expect.stringMatching(/c\.yaml:3: issuers\[0\]\.audience: /),
      expect.stringMatching(/needs OPENAI_API_KEY in the environment, which is not set/),
    ])
  })

  test('of every secret’s file, and of the config as well', () => {
    const text = `${minimalWith('[chat-api]', '[]')}  other: { id: wf_2, api_key_env: TEAM_KEY }\n`
    writeFileSync(file, text)
    const problems = problemsOf({
      OPENAI_API_KEY: '',
      OPENAI_API_KEY_FILE: join(folder, 'none'),
      TEAM_KEY_FILE: join(folder, 'neither'),
    })
    expect(problems).toEqual([
      expect.stringMatching(/^OPENAI_API_KEY_FILE: cannot read .*none; check path/),
      expect.stringMatching(/^TEAM_KEY_FILE: cannot read .*neither; check path/),
      expect.stringMatching(/c\.yaml:3: issuers\[0\]\.audience: /),
    ])
  })

  test('also of what the file needs beside secrets, whatever else is wrong', () => {
    const own = minimalWith('[chat-api]', '[]').replace('id: wf_1', 'server: http://desk.internal/')
    const admins = "admins: { when: 'true' }\nconsole: { issuer: 'https://login.corp.test/' }\n"
    writeFileSync(file, own + admins)
    const problems = problemsOf({
      PORT: 'planted',
      STORE_URL: 'redis://localhost',
      CONSOLE_COOKIE_KEY: 'planted',
    })
    expect(problems.map((problem) => problem.replace(/^.*c\.yaml:/, '').split(': ')[0])).toEqual([
      ...['PORT', '3', '10', '10', 'PUBLIC_URL', 'SIGNING_KEY_FILE', 'PUBLIC_URL'],
      'CONSOLE_COOKIE_KEY',
    ])
    expect(problems).toContainEqual(expect.stringMatching(/^PUBLIC_URL: needed by the self-hosted/))
    expect(problems).toContainEqual(expect.stringMatching(/^PUBLIC_URL: needed by the console/))
  })

  test('a server that is the gateway of this service itself is refused, another one of its origin is not', () => {
    const PUBLIC_URL = 'https://chat.corp.test'
    writeFileSync(file, minimalWith('id: wf_1', `server: ${PUBLIC_URL}/chatkit/support`))
    expect(problemsOf({ PUBLIC_URL: `${PUBLIC_URL}/` })).toEqual([
      'workflows.support.server: is the gateway of this service (PUBLIC_URL); name the ChatKit server behind it',
    ])
    // A proxy may serve other paths below /chatkit than the gateway's.
    for (const path of ['/chatkit', '/chatkit/support-server']) {
      writeFileSync(file, minimalWith('id: wf_1', `server: ${PUBLIC_URL}${path}`))
      expect(problemsOf({ PUBLIC_URL }), path).toEqual([])
    }
  })

  test('a variable that is set but wrong is not called missing', () => {
    writeFileSync(file, minimalWith('id: wf_1', 'server: http://desk.internal/'))
    const wrong = { PUBLIC_URL: 'planted', SIGNING_KEY_FILE: join(folder, 'none') }
    expect(problemsOf({ ...wrong, STORE_URL: 'redis://localhost', PORT: 'x' })).toEqual([
      'PORT: must be a port, 0 to 65535',
      expect.stringMatching(/^PUBLIC_URL: must be /),
      expect.stringMatching(/^SIGNING_KEY_FILE: cannot read /),
    ])
  })

  test('each of them once', () => {
    expect(problemsOf({ OPENAI_API_KEY_FILE: join(folder, 'none') })).toEqual([
      'OPENAI_API_KEY: OPENAI_API_KEY_FILE is set too; unset one of them',
    ])
  })
})

test.each(['constructor', '__proto__', 'toString'])(
  'a variable called %s, which every object has, is a problem and no crash',
  (name) => {
    writeFileSync(file, MINIMAL.replace('wf_1', `wf_1\n    api_key_env: ${name}`))
    expect(problemsOf({})[0]).toMatch(/c\.yaml:9: workflows\.support\.api_key_env: /)
  },
)

test('a file that holds a text that is no key is a problem', () => {
  const key = join(folder, 'key')
  writeFileSync(key, '"sk-planted"\n')
  const problems = problemsOf({ OPENAI_API_KEY: '', OPENAI_API_KEY_FILE: key })
  expect(problems).toEqual([expect.stringMatching(/needs OPENAI_API_KEY .*, which is in quotes/)])
})

test('also where no workflow is hosted: it cancels the sessions that are left at OpenAI', () => {
  writeFileSync(file, minimalWith('id: wf_1', 'server: http://desk.internal/'))
  const PUBLIC_URL = 'https://chat.corp.test'
  expect(problemsOf({ PUBLIC_URL, OPENAI_API_KEY: '' })).toEqual([])
  expect(problemsOf({ PUBLIC_URL, OPENAI_API_KEY: "'sk-planted'" })).toEqual([
    'OPENAI_API_KEY: is in quotes; leave them out',
  ])
  expect(
    problemsOf({ PUBLIC_URL, OPENAI_API_KEY: '', OPENAI_API_KEY_FILE: join(folder, 'none') }),
  ).toEqual([expect.stringMatching(/^OPENAI_API_KEY_FILE: cannot read /)])
  writeFileSync(file, minimalWith('id: wf_1', 'id: wf_1\n    api_key_env: TEAM_KEY'))
  expect(problemsOf({ TEAM_KEY: 'sk-planted', OPENAI_API_KEY: "'unused'" })).toEqual([])
})

test('a key comes from a file, and rotates with it', () => {
  const key = join(folder, 'key')
  writeFileSync(key, `${API_KEY}\n`)
  const { environment } = setup({ OPENAI_API_KEY: '', OPENAI_API_KEY_FILE: key })
  expect(environment.secret('OPENAI_API_KEY')?.().hint()).toBe('…6789')
})
