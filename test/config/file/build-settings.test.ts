import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import { issuerSettings } from '../../support/issuer-settings.ts'
import { MINIMAL, settingsOf } from '../fixtures.ts'

/** The public key of RFC 7517, appendix A.1. */
const KEY = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
}

describe('a minimal file', () => {
  test('gets the defaults of the contract', () => {
    const settings = settingsOf(MINIMAL)
    expect(settings).toMatchObject({
      issuers: [
        {
          ...issuerSettings({ issuer: 'https://login.corp.test/', algorithms: ['RS256'] }),
          requiredClaims: ['exp', 'sub'],
          user: { source: 'claims.sub' },
        },
      ],
      admins: undefined,
      corsOrigins: [],
      trustedProxies: [],
      clientIpHeader: undefined,
      limits: {
        mintsPerUser: { max: 10, seconds: 60 },
        liveSessionsPerUser: { max: 20, whenFull: 'evict_oldest' },
        failedAuthPerIp: { max: 60, seconds: 60 },
        readsPerUser: { max: 120, seconds: 60 },
      },
      retention: { sessionsHours: 24, auditDays: 30, usersDays: 400 },
    })
    expect(settings.workflows).toEqual([
      {
        kind: 'hosted',
        name: 'support',
        id: 'wf_1',
        fallback: undefined,
        answersTo: [],
        version: undefined,
        apiKeyEnv: 'OPENAI_API_KEY',
        baseUrl: undefined,
        when: undefined,
        stateVariables: new Map(),
        input: new Map(),
        tracing: { enabled: false },
        expiresAfterSeconds: undefined,
        maxRequestsPerMinute: undefined,
        chatkitConfiguration: undefined,
      },
    ])
  })
})

const FULL = `issuers:
  - issuer: https://login.corp.test/
    audience: [chat-api, chat-api]
    audience_claim: client_id
    algorithms: [RS256, Ed25519]
    jwks_uri: http://127.0.0.1:9999/jwks.json
    token_types: [application/AT+JWT, JWT]
    required_claims: [email]
    clock_tolerance_seconds: 0
    max_token_age_seconds: 3600
    stale_keys_seconds: 60
    cookie: __session
    token_header: X-App-Token
    sessions_end_with_token: true
    user: '"a|" + issuer + "|" + claims.sub'
    logout: { client_ids: [web-app] }
  - issuer: https://api.acme.example
    audience: [chat]
    algorithms: [HS256]
    secret_env: CHAT_SECRET
    logout: { client_ids: [x], algorithms: [HS512] }
  - issuer: http://localhost:4000
    audience: [chat]
    algorithms: [ES256]
    jwks: { keys: [{ kty: EC, crv: P-256, x: ${KEY.x}, y: ${KEY.y} }] }
user: 'issuer + "|" + claims.sub'
workflows:
  zeta: { id: wf_z, version: '3', api_key_env: OTHER_KEY, base_url: 'https://eu.api.openai.com/v1/', when: 'claims.ok' }
  alpha:
    id: wf_a
    state_variables: { plan: 'claims.plan', page: 'input.page' }
    input:
      page: { type: string, max_length: 200, required: true }
      note: { type: string }
    tracing: { enabled: true }
    expires_after: { anchor: created_at, seconds: 600 }
    rate_limits: { max_requests_per_1_minute: 30 }
    chatkit_configuration:
      file_upload: { enabled: true, max_file_size: 512, max_files: 3 }
      history: { enabled: true, recent_threads: 1 }
      automatic_thread_titling: { enabled: false }
admins:
  when: 'claims.admin'
  issuers: [https://login.corp.test/]
  origins: [https://admin.acme.example]
cors: { origins: [https://app.acme.example, 'http://localhost:3000', 'capacitor://localhost'] }
trusted_proxies: [172.16.0.0/12, 'fd00::/8']
client_ip_header: Fly-Client-IP
limits:
  mints_per_user: { max: 5 }
  live_sessions_per_user: { when_full: deny }
  failed_auth_per_ip: { max: 10000000, seconds: 1 }
  reads_per_user: { max: 5, seconds: 7 }
retention: { sessions_hours: 1 }
`

describe('a file with every key', () => {
  const settings = settingsOf(FULL)

  test('maps issuers', () => {
    expect(settings.issuers).toMatchObject([
      {
        audience: ['chat-api'],
        audienceClaim: 'client_id',
        keys: { kind: 'jwks_uri', url: 'http://127.0.0.1:9999/jwks.json' },
        tokenTypes: ['at+jwt', 'jwt'],
        requiredClaims: ['exp', 'sub', 'email'],
        clockToleranceSeconds: 0,
        maxTokenAgeSeconds: 3600,
        staleKeysSeconds: 60,
        cookie: '__session',
        tokenHeader: 'x-app-token',
        sessionsEndWithToken: true,
        user: { source: '"a|" + issuer + "|" + claims.sub' },
        logout: { clientIds: ['web-app'], algorithms: ['RS256', 'Ed25519'] },
      },
      {
        keys: { kind: 'secret', secretEnv: 'CHAT_SECRET' },
        user: { source: 'issuer + "|" + claims.sub' },
        logout: { clientIds: ['x'], algorithms: ['HS512'] },
      },
      { keys: { kind: 'jwks', jwks: { keys: [KEY] } } },
    ])
  })

  test('maps workflows in the order of the file', () => {
    expect(settings.workflows.map(({ name }) => name)).toEqual(['zeta', 'alpha'])
    expect(settings.workflows[0]).toMatchObject({
      version: '3',
      apiKeyEnv: 'OTHER_KEY',
      baseUrl: 'https://eu.api.openai.com/v1',
    })
    expect(settings.workflows[1]).toMatchObject({
      tracing: { enabled: true },
      expiresAfterSeconds: 600,
      maxRequestsPerMinute: 30,
      chatkitConfiguration: {
        file_upload: { enabled: true, max_file_size: 512, max_files: 3 },
        history: { enabled: true, recent_threads: 1 },
        automatic_thread_titling: { enabled: false },
      },
    })
    expect([...(settings.workflows[1]?.input ?? [])]).toEqual([
      ['page', { type: 'string', maxLength: 200, required: true }],
      ['note', { type: 'string', maxLength: 1000, required: false }],
    ])
  })

  test('maps the rest', () => {
    expect(settings).toMatchObject({
      admins: { issuers: ['https://login.corp.test/'], origins: ['https://admin.acme.example'] },
      corsOrigins: ['https://app.acme.example', 'http://localhost:3000', 'capacitor://localhost'],
      trustedProxies: ['172.16.0.0/12', 'fd00::/8'],
      clientIpHeader: 'fly-client-ip',
      limits: {
        mintsPerUser: { max: 5, seconds: 60 },
        liveSessionsPerUser: { max: 20, whenFull: 'deny' },
        failedAuthPerIp: { max: 10_000_000, seconds: 1 },
        readsPerUser: { max: 5, seconds: 7 },
      },
      retention: { sessionsHours: 1, auditDays: 30, usersDays: 400 },
    })
  })

  test('keeps a session for as long as the longest stream may run, whatever the retention says', () => {
    const long = `${FULL.replace(/^retention: .*$/m, '').replace(/^gateway: .*$/m, '')}
retention: { sessions_hours: 1 }
gateway: { stream_minutes: 90 }
`
    const { settings } = loadConfig(long, { file: 'c.yaml' })
    expect(settings.retention.sessionsHours).toBe(2)
  })

  test('says which secrets the service needs', () => {
    expect(loadConfig(FULL, { file: 'c.yaml' }).environment).toEqual([
      'CHAT_SECRET',
      'OTHER_KEY',
      'OPENAI_API_KEY',
    ])
  })
})

test('the one issuer is the issuer of admins when none is named', () => {
  const settings = settingsOf(`${MINIMAL}admins: { when: 'claims.admin' }\n`)
  expect(settings.admins?.issuers).toEqual(['https://login.corp.test/'])
})
