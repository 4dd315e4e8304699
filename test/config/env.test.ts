import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readConfigSources, readEnvironment, type Variables } from '../../src/config/env.ts'
import { environmentSchema } from '../../src/config/variables.ts'
import { problemsIn } from './fixtures.ts'

const problemsOf = (variables: Variables) => problemsIn(() => readEnvironment(variables))

const { secret: _none, onLostFile: _never, ...DEFAULTS } = readEnvironment({})

test('an empty environment gives the defaults', () => {
  expect(DEFAULTS).toEqual({
    configFile: 'config/chatkit-mint.yaml',
    host: '0.0.0.0',
    port: 8787,
    openaiBaseUrl: 'https://api.openai.com/v1',
    openaiOrgId: undefined,
    openaiProjectId: undefined,
    store: { kind: 'sqlite', path: 'data/chatkit-mint.db' },
    metricsHost: '127.0.0.1',
    metricsPort: 9091,
    logLevel: 'info',
    logFormat: undefined,
    tracing: { wanted: false, serviceName: 'chatkit-mint' },
    publicUrl: undefined,
    docsTryIt: false,
    proxies: { proxyFor: expect.any(Function), shown: undefined },
  })
})

test.each<[string, string, object]>([
  ['CONFIG_FILE', '/etc/mint.yaml', { configFile: '/etc/mint.yaml' }],
  ['HOST', '::1', { host: '::1' }],
  ['PORT', '0', { port: 0 }],
  [
    'OPENAI_BASE_URL',
    'https://eu.api.openai.com/v1/',
    { openaiBaseUrl: 'https://eu.api.openai.com/v1' },
  ],
  ['OPENAI_BASE_URL', 'https://proxy.example', { openaiBaseUrl: 'https://proxy.example' }],
  ['OPENAI_ORG_ID', 'org-1', { openaiOrgId: 'org-1' }],
  ['OPENAI_PROJECT_ID', 'proj_1', { openaiProjectId: 'proj_1' }],
  ['STORE_URL', 'memory:', { store: { kind: 'memory' } }],
  ['METRICS_PORT', '0', { metricsPort: 0 }],
  ['METRICS_HOST', '0.0.0.0', { metricsHost: '0.0.0.0' }],
  ['LOG_LEVEL', 'debug', { logLevel: 'debug' }],
  ['LOG_LEVEL', 'WARN', { logLevel: 'warn' }],
  ['LOG_LEVEL', ' Info ', { logLevel: 'info' }],
  ['LOG_FORMAT', 'json', { logFormat: 'json' }],
  ['LOG_FORMAT', 'Text', { logFormat: 'text' }],
  ['PUBLIC_URL', 'https://chat.example.com/', { publicUrl: 'https://chat.example.com' }],
  ['DOCS_TRY_IT', 'On', { docsTryIt: true }],
])('%s=%s changes its setting alone', (name, value, change) => {
  expect(readEnvironment({ [name]: value })).toEqual({
    ...DEFAULTS,
    ...change,
    secret: expect.any(Function),
    onLostFile: expect.any(Function),
  })
})

test.each<[boolean, Record<string, string>]>([
  [true, { PUBLIC_URL: 'http://localhost:8787' }],
  [true, { PUBLIC_URL: 'https://127.0.0.1/chat' }],
  [true, { PUBLIC_URL: 'http://[::1]:8787' }],
  [false, { PUBLIC_URL: 'http://localhost:8787', DOCS_TRY_IT: 'off' }],
  [true, { PUBLIC_URL: 'https://chat.example.com', DOCS_TRY_IT: 'on' }],
  [false, { PUBLIC_URL: 'https://localhost.example.com' }],
  [false, { PUBLIC_URL: 'http://10.0.0.7:8787' }],
])('forms that call the service are %j in the docs with %j', (expected, variables) => {
  expect(readEnvironment(variables).docsTryIt).toBe(expected)
})

test.each(['PUBLIC_URL', 'OPENAI_BASE_URL', 'STORE_URL', 'HTTPS_PROXY'])(
  '%s in quotes: the message says to leave them out',
  (name) => {
    const read = (value: string) => () => readEnvironment({ [name]: value })
    for (const value of [`"https://chat.example.com"`, `'redis://redis:6379'`]) {
      expect(read(value)).toThrow(new RegExp(`^${name}: .*; leave the quotes out$`))
    }
    expect(read('chat')).not.toThrow(/quotes/)
  },
)

test.each([
  ['PUBLIC_URL', `https://\${DOMAIN}`],
  ['PUBLIC_URL', 'https://chat.example.com/$PREFIX'],
  ['OPENAI_BASE_URL', 'https://{{ .Values.api }}/v1'],
  ['STORE_URL', 'redis://:pass@$(REDIS_HOST):6379'],
  ['STORE_URL', `sqlite:\${DATA}/mint.db`],
  ['HTTPS_PROXY', 'http://$PROXY:3128'],
])(
  '%s=%s has a variable that nothing filled in: the message says to write its value',
  (name, value) => {
    const read = () => readEnvironment({ [name]: value })
    expect(read).toThrow(
      new RegExp(`^${name}: .*; no variable in it is filled in: write its value$`),
    )
  },
)

test('a dollar sign in a password is no variable', () => {
  const variables = { STORE_URL: 'redis://:a$BC@redis:6379', HTTPS_PROXY: 'http://u:$AB@proxy:1' }
  expect(() => readEnvironment(variables)).not.toThrow()
})

test.each(['', ' ', '\t\n'])('a blank variable (%j) counts as unset', (blank) => {
  const names = [...Object.keys(environmentSchema.shape), 'OPENAI_API_KEY', 'OPENAI_API_KEY_FILE']
  const environment = readEnvironment(Object.fromEntries(names.map((name) => [name, blank])))
  expect(environment).toMatchObject(DEFAULTS)
  expect(environment.secret('OPENAI_API_KEY')).toBeUndefined()
})

test('all problems are reported at once, each with its variable', () => {
  const problems = problemsOf({
    PORT: '99999',
    METRICS_PORT: 'x',
    OPENAI_BASE_URL: 'http://api.example/v1',
    OPENAI_ORG_ID: 'org\n1',
    OPENAI_PROJECT_ID: 'proj 1',
    STORE_URL: 'postgres://x',
    LOG_LEVEL: 'loud',
    LOG_FORMAT: 'pretty',
    PUBLIC_URL: 'chat.example.com',
    DOCS_TRY_IT: 'yes',
    OPENAI_API_KEY: 'sk-1',
    OPENAI_API_KEY_FILE: '/run/key',
    USER_PSEUDONYM_KEY: 'a',
    USER_PSEUDONYM_KEY_FILE: '/run/pseudonym',
  })
  expect(problems.map((problem) => problem.split(':')[0]).toSorted()).toEqual([
    'DOCS_TRY_IT',
    'LOG_FORMAT',
    'LOG_LEVEL',
    'METRICS_PORT',
    'OPENAI_API_KEY',
    'OPENAI_BASE_URL',
    'OPENAI_ORG_ID',
    'OPENAI_PROJECT_ID',
    'PORT',
    'PUBLIC_URL',
    'STORE_URL',
    'USER_PSEUDONYM_KEY',
  ])
})

test('white space around a value counts for nothing, as a file with CRLF leaves it', () => {
  const { port, store, publicUrl, host } = readEnvironment({
    ...{ PORT: ' 8080\r', STORE_URL: 'sqlite:data/mint.db\r\n', PUBLIC_URL: ' https://a.example ' },
    HOST: '127.0.0.1\r',
  })
  expect({ port, store, publicUrl, host }).toEqual({
    ...{ port: 8080, host: '127.0.0.1', publicUrl: 'https://a.example' },
    store: { kind: 'sqlite', path: 'data/mint.db' },
  })
})

describe('an address to listen on', () => {
  test.each(['localhost', '0.0.0.0', '::', '::1', 'fe80::1%eth0', 'my_host.internal', 'node-1'])(
    '%s is accepted',
    (value) => {
      expect(readEnvironment({ HOST: value, METRICS_HOST: value })).toMatchObject({
        ...{ host: value, metricsHost: value },
      })
    },
  )

  test.each(['[::1]', '999.1.1.1', '1.2.3', '0.0.0.0:80', 'http://x', 'a b', '*', '"::"', 'x/'])(
    '%s is refused',
    (value) => {
      const problem = 'must be an IP address or a host name alone, such as 0.0.0.0, 127.0.0.1 or ::'
      expect(problemsOf({ HOST: value })).toEqual([`HOST: ${problem}`])
      expect(problemsOf({ METRICS_HOST: value })).toEqual([`METRICS_HOST: ${problem}`])
    },
  )
})

test.each(['https:/chat.example.com', 'https:///chat.example.com', 'https:chat.example.com'])(
  'a URL without its host is refused: %s',
  (value) => {
    expect(problemsOf({ PUBLIC_URL: value, OPENAI_BASE_URL: value })).toEqual([
      expect.stringMatching(/^PUBLIC_URL: must be an http or https URL/),
      expect.stringMatching(/^OPENAI_BASE_URL: must be an https URL/),
    ])
  },
)

test.each(['https://a.example,https://b.example', 'https://*.example.com'])(
  'PUBLIC_URL names one address: %s is refused',
  (value) => {
    expect(problemsOf({ PUBLIC_URL: value })).toEqual([expect.stringMatching(/^PUBLIC_URL: must/)])
  },
)

test('an organization in quotes is refused, since the header would keep them', () => {
  expect(problemsOf({ OPENAI_ORG_ID: '"org-1"', OPENAI_PROJECT_ID: "'proj_1'" })).toEqual([
    'OPENAI_ORG_ID: is in quotes; leave them out',
    'OPENAI_PROJECT_ID: is in quotes; leave them out',
  ])
})

test.each(['-1', '1.5', '65536', '0x50', '80a', '1e3', '٨'])('PORT=%s is refused', (value) => {
  expect(problemsOf({ PORT: value })).toEqual(['PORT: must be a port, 0 to 65535'])
  expect(problemsOf({ METRICS_PORT: value })).toEqual(['METRICS_PORT: must be a port, 0 to 65535'])
})

describe('OPENAI_BASE_URL', () => {
  test.each([
    'http://localhost:8789/v1',
    'http://127.0.0.1:8789/v1',
    'http://127.255.255.254/v1',
    'http://[::1]:8789/v1',
  ])('%s is loopback, so plain http will do', (value) => {
    expect(readEnvironment({ OPENAI_BASE_URL: value }).openaiBaseUrl).toBe(value)
  })

  test.each([
    'http://api.openai.com/v1',
    'http://0.0.0.0/v1',
    'http://127.0.0.1.evil.example/v1',
    'http://localhost.evil.example/v1',
    'http://localhost@evil.example/v1',
    'ftp://localhost/v1',
    'file:///v1',
    'api.openai.com/v1',
    'https://user@api.openai.com/v1',
    'https://:password@api.openai.com/v1',
    'https://api.openai.com/v1?key=sk-1',
    'https://api.openai.com/v1#v1',
  ])('%s is refused', (value) => {
    expect(problemsOf({ OPENAI_BASE_URL: value })).toEqual([
      expect.stringMatching(/^OPENAI_BASE_URL: must be an https URL without credentials/),
    ])
  })

  test('an empty query or fragment leaves no trace', () => {
    const { openaiBaseUrl } = readEnvironment({ OPENAI_BASE_URL: 'https://a.example/v1/?#' })
    expect(openaiBaseUrl).toBe('https://a.example/v1')
  })
})

describe('PUBLIC_URL', () => {
  test.each([
    ['https://chat.example.com', 'https://chat.example.com'],
    ['https://chat.example.com/mint/', 'https://chat.example.com/mint'],
    ['http://chat.example.com:8080', 'http://chat.example.com:8080'],
    ['HTTPS://CHAT.example.com:443/', 'https://chat.example.com'],
  ])('%s is %s', (value, url) => {
    expect(readEnvironment({ PUBLIC_URL: value }).publicUrl).toBe(url)
  })

  test.each([
    'chat.example.com',
    'ws://chat.example.com',
    'javascript:alert(1)',
    'https://ada@chat.example.com',
    'https://:pw@chat.example.com',
    'https://chat.example.com/?a=1',
    'https://chat.example.com/#a',
  ])('%s is refused', (value) => {
    expect(problemsOf({ PUBLIC_URL: value })).toEqual([
      'PUBLIC_URL: must be an http or https URL such as https://chat.example.com',
    ])
  })
})

describe('secrets', () => {
  test('come from the variable, white space around them dropped', () => {
    const { secret } = readEnvironment({ OPENAI_API_KEY: ' sk-one\n', TEAM_KEY: 'sk-team' })
    expect(secret('OPENAI_API_KEY')?.().reveal()).toBe('sk-one')
    expect(secret('TEAM_KEY')?.().reveal()).toBe('sk-team')
    expect(secret('OTHER_KEY')).toBeUndefined()
  })

  test('two sources for one secret are an error, whatever its name', () => {
    expect(problemsOf({ OPENAI_API_KEY: 'sk-hush', OPENAI_API_KEY_FILE: '/run/key' })).toEqual([
      'OPENAI_API_KEY: OPENAI_API_KEY_FILE is set too; unset one of them',
    ])
    const { secret } = readEnvironment({ TEAM_KEY: 'sk-hush', TEAM_KEY_FILE: '/run/key' })
    expect(() => secret('TEAM_KEY')).toThrow(
      'TEAM_KEY: TEAM_KEY_FILE is set too; unset one of them',
    )
  })

  test('are in no message and in nothing that is printed', () => {
    const planted = {
      OPENAI_API_KEY: 'sk-planted-0123456789',
      USER_PSEUDONYM_KEY: 'planted-pseudonym',
      STORE_URL: 'redis://u:planted-password@h',
    }
    const environment = readEnvironment(planted)
    const problems = problemsOf({
      ...planted,
      OPENAI_API_KEY_FILE: '/run/key',
      PORT: 'sk-planted-0123456789',
      OPENAI_BASE_URL: 'http://planted:planted@x',
      STORE_URL: 'planted://u:planted-password@h',
      LOG_LEVEL: 'sk-planted-0123456789',
    })
    expect(problems).toHaveLength(5)
    const shown = inspect(environment, { depth: 9 }) + JSON.stringify(environment)
    expect(shown + problems.join()).not.toContain('planted')
  })
})

test('the variables for the check of the config file are read although others are wrong', () => {
  const sources = readConfigSources({ PORT: 'x', CONFIG_FILE: 'a.yaml', TEAM_KEY: 'sk-team' })
  expect(sources.configFile).toBe('a.yaml')
  expect(sources.secret('TEAM_KEY')?.().reveal()).toBe('sk-team')
  expect(readConfigSources({ CONFIG_FILE: ' ' }).configFile).toBe('config/chatkit-mint.yaml')
})
