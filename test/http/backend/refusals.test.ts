import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { adminToken, auditOf } from '../../support/admin-calls.ts'
import { rawExchange, rawRequest } from '../../support/raw-http.ts'
import { APP_ORIGIN, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { BILLING, DESK, errorOf, startBackend } from './scene.ts'

const scene = forAllTests(() => startBackend())
const sessions = (key?: string) => scene.client(key).beta.chatkit.sessions
const create = (body: unknown) =>
  scene.call('/chatkit/sessions', { method: 'POST', body: JSON.stringify(body) })

interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
}

async function refusal(response: Promise<Response>) {
  const answer = await response
  const { error } = (await answer.json()) as ErrorBody
  return { status: answer.status, ...error }
}

describe('a caller', () => {
  test.each([
    ['without a key', { authorization: '' }, null],
    ['with Basic', { authorization: `Basic ${BILLING}` }, null],
    ['with a key that is none', { authorization: 'Bearer sk-mint-guess' }, 'invalid_api_key'],
    ['with the digest of a key', { authorization: 'Bearer sha256:00' }, 'invalid_api_key'],
    ["with an end user's token", { authorization: `Bearer ${tokenFor()}` }, 'invalid_api_key'],
    ["with an admin's token", { authorization: `Bearer ${adminToken()}` }, 'invalid_api_key'],
  ])('%s is 401 in the API’s format, and nothing is created', async (_name, headers, code) => {
    scene.running.upstream.clearRequests()
    const response = await scene.call('/chatkit/sessions', {
      method: 'POST',
      body: JSON.stringify({ user: 'alice', workflow: { id: 'support' } }),
      headers,
    })
    expect(response.headers.get('www-authenticate')).toMatch(/^Bearer/)
    const { error } = (await response.json()) as ErrorBody
    expect([response.status, error.type, error.code]).toEqual([401, 'invalid_request_error', code])
    expect(scene.running.upstream.requests()).toEqual([])
  })

  test('with several Authorization headers is 400, also when they are joined', async () => {
    const key = `Authorization: Bearer ${BILLING}`
    const target = 'GET /v1/chatkit/threads'
    const joined = [`${key}, Bearer ${DESK}`]
    for (const headers of [[key, `Authorization: Bearer ${DESK}`], joined]) {
      const answer = await rawExchange(scene.running.url, rawRequest(target, { headers }))
      expect(answer.status).toBe(400)
    }
  })

  test('with the key in the query or a cookie has none', async () => {
    const headers = { authorization: '', cookie: `api_key=${BILLING}` }
    const response = scene.call(`/chatkit/threads?api_key=${BILLING}`, { headers })
    expect(await refusal(response)).toMatchObject({ status: 401, code: null })
  })

  test.each(['/sessions', '/threads', '/admin/sessions'])(
    'with an API key at /v1%s is nobody',
    async (path) => {
      const method = path === '/sessions' ? 'POST' : 'GET'
      const response = await scene.call(path, { method })
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([
        401,
        'invalid_token',
      ])
    },
  )

  test.each([APP_ORIGIN, 'https://evil.example', 'null', 'https://mint.acme.example'])(
    'from the page %s is 403, and so is its preflight',
    async (origin) => {
      for (const method of ['GET', 'OPTIONS']) {
        const response = await scene.call('/chatkit/threads', { method, headers: { origin } })
        expect(response.headers.get('access-control-allow-origin')).toBeNull()
        expect(await refusal(Promise.resolve(response))).toMatchObject({
          status: 403,
          code: 'origin_not_allowed',
          message: expect.stringContaining('Call this from a server.'),
        })
        expect(scene.running.log.at(-1)).toMatchObject({
          reason: `Origin "${origin}" came to a call for backends, which takes none`,
        })
      }
    },
  )
})

describe('a body', () => {
  const LONG = 'string_above_max_length'
  const ABOVE = 'integer_above_max_value'
  const STATE = 'workflow.state_variables'
  const whole = { user: 'alice', workflow: { id: 'helpdesk' } }
  const desk = (more: object) => ({ user: 'alice', workflow: { id: 'helpdesk', ...more } })
  const lasting = (more: object) => ({
    ...{ ...whole, expires_after: { anchor: 'created_at', seconds: 1, ...more } },
  })
  test.each([
    ['without a user', { workflow: { id: 'helpdesk' } }, 'user', 'missing_required_parameter'],
    ['with an empty user', { ...whole, user: '' }, 'user', 'string_below_min_length'],
    ['with a long user', { ...whole, user: 'x'.repeat(513) }, 'user', LONG],
    ['with a user of control characters', { ...whole, user: 'a\n' }, 'user', 'invalid_value'],
    ['with a long version', desk({ version: 'x'.repeat(513) }), 'workflow.version', LONG],
    ['with the user ..', { ...whole, user: '..' }, 'user', 'invalid_value'],
    ['with a number as user', { ...whole, user: 7 }, 'user', 'invalid_type'],
    ['without a workflow', { user: 'a' }, 'workflow', 'missing_required_parameter'],
    ['with an unknown field', { ...whole, limit: 1 }, 'limit', 'unknown_parameter'],
    ['with 601 seconds', lasting({ seconds: 601 }), 'expires_after.seconds', ABOVE],
    ['with another anchor', lasting({ anchor: 'now' }), 'expires_after.anchor', 'invalid_value'],
    [
      'with no requests a minute',
      { ...whole, rate_limits: { max_requests_per_1_minute: 0 } },
      'rate_limits.max_requests_per_1_minute',
      'integer_below_min_value',
    ],
    [
      'with large files',
      { ...whole, chatkit_configuration: { file_upload: { max_file_size: 513 } } },
      'chatkit_configuration.file_upload.max_file_size',
      ABOVE,
    ],
    ['with a list as state', desk({ state_variables: { a: [] } }), `${STATE}.a`, 'invalid_type'],
    ['that is a list', [], 'body', 'invalid_type'],
    ['with a model', desk({ model: 'x' }), 'workflow.model', 'unknown_parameter'],
    [
      'with 65 state variables',
      desk({ state_variables: { ...Array(65).keys().toArray() } }),
      STATE,
      'object_above_max_properties',
    ],
  ])('%s is 400 with its parameter', async (_name, body, param, code) => {
    expect(await refusal(create(body))).toMatchObject({
      status: 400,
      type: 'invalid_request_error',
      param,
      code,
    })
  })

  test('with a list as state says what it may be', async () => {
    const { message } = await refusal(create(desk({ state_variables: { a: [] } })))
    expect(message).toContain('expected string, number or boolean, received array')
  })

  test.each([
    ['truncated', '{"user":'],
    ['with a repeated key', '{"user":"a","user":"b","workflow":{"id":"helpdesk"}}'],
    ['that is none', ''],
    ['with comments', '{/* */}'],
    ['with a member __proto__', '{"user":"a","workflow":{"id":"helpdesk"},"__proto__":{}}'],
    ['nested deeper than 64', `${'['.repeat(65)}${']'.repeat(65)}`],
    ['of bytes that are no UTF-8', new Uint8Array([0x22, 0xff, 0x22])],
  ])('%s is 400', async (_name, body) => {
    const response = scene.call('/chatkit/sessions', { method: 'POST', body })
    expect(await refusal(response)).toMatchObject({ status: 400, param: null })
  })

  test('of more than 256 KiB is 413, declared or not', async () => {
    const long = JSON.stringify({ ...whole, user: 'x'.repeat(256 * 1024) })
    expect(
      await refusal(scene.call('/chatkit/sessions', { method: 'POST', body: long })),
    ).toMatchObject({ status: 413, code: 'body_too_large' })
    const chunked = new Blob([long]).stream()
    const init = { method: 'POST', body: chunked, duplex: 'half' } as RequestInit
    expect(await refusal(scene.call('/chatkit/sessions', init))).toMatchObject({ status: 413 })
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    'of the content type %o is 400',
    async (type) => {
      const headers = { 'content-type': type }
      const init = { method: 'POST', body: JSON.stringify(whole), headers }
      const answer = await refusal(scene.call('/chatkit/sessions', init))
      expect(answer).toMatchObject({ status: 400, code: 'unsupported_content_type' })
    },
  )

  test('of JSON with a charset passes', async () => {
    const headers = { 'content-type': 'Application/JSON; charset=utf-8' }
    const init = { method: 'POST', body: JSON.stringify(whole), headers }
    expect((await scene.call('/chatkit/sessions', init)).status).toBe(200)
  })

  test('of 200 KiB of state variables passes', async () => {
    const state_variables = { text: 'x'.repeat(200 * 1024) }
    const answer = await create({ user: 'alice', workflow: { id: 'helpdesk', state_variables } })
    expect(answer.status).toBe(200)
    expect(((await answer.json()) as { workflow: object }).workflow).toMatchObject({
      state_variables,
    })
  })

  test('of nearly 256 KiB passes, though the session is longer, which can be cancelled', async () => {
    const state_variables = { text: 'x'.repeat(256 * 1024 - 400) }
    const workflow = { id: 'support', state_variables }
    const { id, ...session } = await sessions().create({ user: 'alice', workflow })
    expect(JSON.stringify(session).length).toBeGreaterThan(256 * 1024)
    expect(await sessions().cancel(id)).toMatchObject({ status: 'cancelled' })
  })

  test.each(['12345678901234567890', '-9007199254740993', '1e300'])(
    'with a state variable of %s, which would go on as another number, is 400',
    async (number) => {
      scene.running.upstream.clearRequests()
      const body = `{"user":"a","workflow":{"id":"support","state_variables":{"account":${number}}}}`
      const response = scene.call('/chatkit/sessions', { method: 'POST', body })
      expect(await refusal(response)).toMatchObject({
        status: 400,
        param: 'workflow.state_variables.account',
        message: expect.stringContaining('put it in quotes'),
      })
      expect(scene.running.upstream.requests()).toEqual([])
    },
  )

  test.each(['9007199254740991', '1.5e-7', '-0', '12345678901234567.5e-1'])(
    'with a state variable of %s passes',
    async (number) => {
      const body = `{"user":"a","workflow":{"id":"support","state_variables":{"level":${number}}}}`
      const answer = await scene.call('/chatkit/sessions', { method: 'POST', body })
      expect(answer.status).toBe(200)
    },
  )
})

describe('a path', () => {
  test.each([
    ['GET', '/chatkit/sessions', 405],
    ['PUT', '/chatkit/threads', 405],
    ['POST', '/chatkit/threads/cthr_1', 405],
    ['GET', '/chatkit/nothing', 404],
    ['POST', '/chatkit/sessions/a%20b/cancel', 400],
    ['GET', '/chatkit/threads/%00', 400],
    ['GET', `/chatkit/threads/${'x'.repeat(129)}`, 400],
    ['DELETE', '/chatkit/threads/cthr_1%2Fitems', 400],
  ])('%s %s is %i in the API’s format', async (method, path, status) => {
    scene.running.upstream.clearRequests()
    expect(await refusal(scene.call(path, { method }))).toMatchObject({ status })
    expect(scene.running.upstream.requests()).toEqual([])
  })

  test.each([
    ['user=', 'string_below_min_length'],
    [`user=${'u'.repeat(513)}`, 'string_above_max_length'],
    ['limit=101', 'integer_above_max_value'],
    ['limit=-1', 'integer_below_min_value'],
    ['limit=x', 'invalid_type'],
    ['limit=', 'invalid_type'],
    ['limit=1.5', 'invalid_type'],
    ['limit=0x10', 'invalid_type'],
    ['order=up', 'invalid_value'],
    ['after=', 'string_below_min_length'],
  ])('with the query %s is 400 with its parameter', async (query, code) => {
    const [param] = query.split('=')
    const answer = await refusal(scene.call(`/chatkit/threads?${query}`))
    expect(answer).toMatchObject({ status: 400, param, code })
  })

  test('ignores a query parameter that the reference does not have, and a second one of a name', async () => {
    const answer = await scene.call(
      '/chatkit/threads?colour=red&colour=blue&__proto__=1&limit=0&limit=x',
    )
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ data: [] })
    for (const query of ['limit=x&limit=1', 'colour=red&limit=x']) {
      const refused = await refusal(scene.call(`/chatkit/threads?${query}`))
      expect(refused).toMatchObject({ status: 400, param: 'limit' })
    }
  })

  test('with an escape in the query that is not UTF-8 is 400: it would name another user', async () => {
    const answer = await refusal(scene.call('/chatkit/threads?user=%ff'))
    expect(answer).toMatchObject({ status: 400, type: 'invalid_request_error', param: null })
  })
})

test.each([
  [417, 'expectation_failed', ['Expect: x']],
  [400, 'invalid_request', ['Host: mint.test']],
  [400, 'invalid_request', ['Transfer-Encoding: gzip, chunked']],
])(
  'a request that the server refuses before any route is %i in the API’s format',
  async (status, code, headers) => {
    for (const line of ['GET /v1/chatkit/threads', 'POST /v1/chatkit/sessions?x=1']) {
      const answer = await rawExchange(scene.running.url, rawRequest(line, { headers }))
      expect(answer.status).toBe(status)
      expect(answer.headers['content-type']).toBe('application/json')
      expect(answer.headers['connection']).toBe('close')
      expect(JSON.parse(answer.body)).toEqual({
        error: { message: expect.any(String), type: 'invalid_request_error', param: null, code },
      })
    }
  },
)

describe('a credential in the wrong place', () => {
  const post = (body: object, headers = {}) => ({
    ...{ method: 'POST', body: JSON.stringify(body), headers },
  })
  test.each([
    ['the id of a thread', `/chatkit/threads/${BILLING}`, {}, 404],
    ['a query parameter', `/chatkit/threads?${BILLING}=1`, {}, 200],
    ['a cursor', `/chatkit/threads?after=${BILLING}`, {}, 400],
    ['a workflow', '/chatkit/sessions', post({ user: 'a', workflow: { id: BILLING } }), 404],
    ['a field', '/chatkit/sessions', post({ user: 'a', [BILLING]: 1 }), 400],
    ['a content type', '/chatkit/sessions', post({}, { 'content-type': BILLING }), 400],
  ])('as %s is not quoted', async (_name, path, init, status) => {
    const response = await scene.call(path, init)
    expect([response.status, await response.text()]).toEqual([
      status,
      expect.not.stringContaining(BILLING),
    ])
  })

  test('and long ones are cut', async () => {
    const response = await create({ user: 'a', workflow: { id: 'w'.repeat(10_000) } })
    expect(response.status).toBe(404)
    expect((await response.text()).length).toBeLessThan(1000)
  })
})

describe('an error of the upstream', () => {
  const hosted = { user: 'alice', workflow: { id: 'support' } }
  const fails = async (status: number, error: object = {}) => {
    const body = { error: { message: `Incorrect API key: sk-te**cdef`, type: 'x', ...error } }
    scene.running.upstream.setFaults({ status, body, times: 2 })
    const answer = await errorOf(sessions().create(hosted))
    scene.running.upstream.setFaults({})
    expect(`${answer.message}${JSON.stringify(answer.error)}`).not.toContain('sk-te')
    return answer
  }

  test.each([
    [400, OpenAI.BadRequestError],
    [409, OpenAI.ConflictError],
    [422, OpenAI.UnprocessableEntityError],
  ])('%i keeps its status and parameter', async (status, expected) => {
    const error = await fails(status, { param: 'workflow.version', code: 'invalid_value' })
    expect(error).toBeInstanceOf(expected)
    expect([error.status, error.param]).toEqual([status, 'workflow.version'])
  })

  test('400 of a list keeps its status and parameter', async () => {
    const body = { error: { message: 'no', type: 'x', param: 'user', code: 'invalid_value' } }
    scene.running.upstream.setFaults({ status: 400, body, times: 1 })
    const error = await errorOf(scene.client().beta.chatkit.threads.list())
    scene.running.upstream.setFaults({})
    expect([error.status, error.param]).toEqual([400, 'user'])
  })

  test('which echoes a credential as the parameter is not quoted', async () => {
    const error = await fails(400, { param: `sk-test-0123456789abcdef` })
    expect([error.status, error.param]).toEqual([400, '[redacted]'])
    expect(error.message).not.toContain('0123456789')
  })

  test.each([401, 403])(
    '%i, which is about our key, is 500: the backend cannot correct it',
    async (status) => {
      const error = await fails(status, { param: 'key', code: 'invalid_api_key' })
      expect(error).toBeInstanceOf(OpenAI.InternalServerError)
      const { status: shown, type, code, param } = error
      expect([shown, type, code, param]).toEqual([500, 'server_error', 'internal_error', null])
    },
  )

  test('404 is the workflow that is gone', async () => {
    const error = await fails(404)
    expect(error).toBeInstanceOf(OpenAI.NotFoundError)
    expect([error.type, error.code]).toEqual(['invalid_request_error', null])
    expect(error.message).toBe("404 Workflow with id 'support' not found.")
    const gone = { level: 40, code: 'workflow_unavailable', status: 404, workflow: 'support' }
    expect(scene.running.log.at(-1)).toMatchObject(gone)
  })

  test('429 is 503, and its message tells the backend to wait', async () => {
    const error = await fails(429, { param: 'user' })
    expect([error.status, error.code, error.param]).toEqual([503, 'rate_limit_exceeded', null])
    expect(error.message).toContain('Retry-After')
  })

  test('5xx is 503 with Retry-After, and self-hosted workflows go on', async () => {
    const error = await fails(500)
    expect([error.status, error.headers?.has('retry-after')]).toEqual([503, true])
    scene.running.upstream.setFaults({ status: 500 })
    const made = await sessions().create({ user: 'alice', workflow: { id: 'helpdesk' } })
    scene.running.upstream.setFaults({})
    expect(made.status).toBe('active')
  })
})

test('creates, cancels and refused attempts are in the audit, with the key and never its secret', async () => {
  const { id } = await sessions(DESK).create({ user: 'frank', workflow: { id: 'helpdesk' } })
  await sessions(DESK).cancel(id)
  await scene.call('/chatkit/threads', { key: 'sk-mint-guessed-0123456789' })
  const entries = async () => {
    const own = await auditOf(scene.running, '&user=frank')
    return [...own, ...(await auditOf(scene.running, '&action=backend_attempt'))]
  }
  const seen = async () =>
    (await entries()).map((one) => [one.action, one.actor, one.by_user, one.outcome])
  await expect.poll(seen).toEqual(
    expect.arrayContaining([
      ['mint', 'key:desk', false, 'ok'],
      ['cancel', 'key:desk', false, 'ok'],
      ['backend_attempt', 'address:127.0.0.1', false, 'refused'],
    ]),
  )
  expect(scene.running.logText()).not.toContain('sk-mint-guessed')
  expect(scene.running.logText()).not.toContain(DESK)
})

describe('limits', () => {
  const limited = forAllTests(() =>
    startBackend({
      limits: `limits:
  mints_per_user: { max: 3, seconds: 60 }
  live_sessions_per_user: { max: 1, when_full: deny }
  failed_auth_per_ip: { max: 3, seconds: 60 }`,
    }),
  )
  const make = (user: string) =>
    limited.client().beta.chatkit.sessions.create({ user, workflow: { id: 'helpdesk' } })

  test('a full cap and mints over the limit are 429, with Retry-After where waiting helps', async () => {
    await make('alice')
    const full = await errorOf(make('alice'))
    expect(full).toBeInstanceOf(OpenAI.RateLimitError)
    expect(full.code).toBe('session_limit')
    await errorOf(make('alice'))
    const over = await errorOf(make('alice'))
    expect([over.status, over.type, over.code]).toEqual([429, 'requests', 'rate_limit_exceeded'])
    expect(Number(over.headers?.get('retry-after'))).toBeGreaterThan(0)
  })

  test('guessed keys are counted, and a good one goes on from the same address', async () => {
    const statuses: number[] = []
    for (let guess = 0; guess < 5; guess++) {
      const response = await limited.call('/chatkit/threads', { key: `sk-mint-guess-${guess}` })
      statuses.push(response.status)
      await response.text()
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    expect((await limited.call('/chatkit/threads')).status).toBe(200)
  })
})
