import { beforeEach, describe, expect, it } from 'vitest'
import { type ChatKitApi, createChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { apiRequest, CREDENTIALS, type RequestParts } from '../support/chatkit/request.ts'

const SESSIONS = '/v1/chatkit/sessions'
const MISSING = 'missing_required_parameter'
const UNKNOWN = 'unknown_parameter'
const ANCHOR = 'expires_after.anchor'
const TOO_SMALL = 'integer_below_min_value'
const MINIMAL = { user: 'alice', workflow: { id: 'wf_1' } }
const ends = (expires_after: object) => ({ ...MINIMAL, expires_after })
const withWorkflow = (of: object) => ({ user: 'u', workflow: { id: 'w', ...of } })

let api: ChatKitApi
beforeEach(() => {
  api = createChatKitApi({ now: () => 0 })
})

async function refusal(path: string, parts: RequestParts) {
  const { status, body, headers } = await apiRequest(api, path, parts)
  expect(headers.get('x-request-id')).toMatch(/^req_/)
  expect(body).toEqual({
    error: {
      message: expect.stringMatching(/./),
      type: 'invalid_request_error',
      param: null,
      code: null,
      ...((body as { error?: object }).error ?? {}),
    },
  })
  const { param, code } = (body as { error: { param: unknown; code: unknown } }).error
  return { status, param, code }
}

describe('credentials', () => {
  const beta = { 'openai-beta': 'chatkit_beta=v1' }
  it.each<[string, Record<string, string>, number, string | null]>([
    ['no key', beta, 401, null],
    ['a key by Basic', { ...beta, authorization: 'Basic c2stYQ==' }, 401, null],
    ['an empty key', { ...beta, authorization: 'Bearer ' }, 401, null],
    ['another key', { ...beta, authorization: 'Bearer pk-1' }, 401, 'invalid_api_key'],
    ['no beta header', { authorization: 'Bearer sk-a' }, 400, 'invalid_beta'],
    ['another beta', { ...CREDENTIALS, 'openai-beta': 'assistants=v2' }, 400, 'invalid_beta'],
  ])('%s', async (_, headers, status, code) => {
    const calls: [string, string][] = [
      ['POST', SESSIONS],
      ['POST', `${SESSIONS}/cksess_1/cancel`],
      ['GET', '/v1/chatkit/threads'],
      ['GET', '/v1/chatkit/threads/cthr_1'],
      ['DELETE', '/v1/chatkit/threads/cthr_1'],
      ['GET', '/v1/chatkit/threads/cthr_1/items'],
    ]
    for (const [method, path] of calls) {
      expect(await refusal(path, { method, headers })).toEqual({ status, param: null, code })
    }
  })

  it('accepts any sk- key, and other beta names in the header', async () => {
    const headers = { authorization: 'bearer sk-x', 'openai-beta': 'other=1, chatkit_beta=v1' }
    expect(await apiRequest(api, '/v1/chatkit/threads', { headers })).toMatchObject({ status: 200 })
  })
})

describe('bodies', () => {
  it.each<[string, unknown, string | null, string | null]>([
    ['a list', [], 'body', 'invalid_type'],
    ['null', null, 'body', 'invalid_type'],
    ['no user', { workflow: { id: 'w' } }, 'user', MISSING],
    ['a number as user', { ...MINIMAL, user: 1 }, 'user', 'invalid_type'],
    ['an empty user', { ...MINIMAL, user: '' }, 'user', 'string_below_min_length'],
    ['a long user', { ...MINIMAL, user: 'u'.repeat(513) }, 'user', 'string_above_max_length'],
    ['no workflow', { user: 'u' }, 'workflow', MISSING],
    ['no workflow id', { user: 'u', workflow: {} }, 'workflow.id', MISSING],
    ['an unknown field', { ...MINIMAL, admin: 1 }, 'admin', UNKNOWN],
    ['an unknown field inside', withWorkflow({ model: 'x' }), 'workflow.model', UNKNOWN],
    ['no anchor', ends({ seconds: 5 }), ANCHOR, MISSING],
    ['another anchor', ends({ seconds: 5, anchor: 'now' }), ANCHOR, 'invalid_value'],
    ['0 seconds', ends({ seconds: 0, anchor: 'created_at' }), 'expires_after.seconds', TOO_SMALL],
    [
      'no requests',
      { ...MINIMAL, rate_limits: { max_requests_per_1_minute: 0 } },
      'rate_limits.max_requests_per_1_minute',
      TOO_SMALL,
    ],
    [
      'files too large',
      { ...MINIMAL, chatkit_configuration: { file_upload: { max_file_size: 513 } } },
      'chatkit_configuration.file_upload.max_file_size',
      'integer_above_max_value',
    ],
    [
      'a null state variable',
      withWorkflow({ state_variables: { plan: null } }),
      'workflow.state_variables.plan',
      'invalid_type',
    ],
    [
      '65 state variables',
      withWorkflow({ state_variables: Object.fromEntries([...Array(65).keys()].entries()) }),
      'workflow.state_variables',
      'object_above_max_properties',
    ],
  ])('%s', async (_, json, param, code) => {
    expect(await refusal(SESSIONS, { json })).toEqual({ status: 400, param, code })
    expect(api.sessions()).toEqual([])
  })

  it.each([
    ['nothing', ''],
    ['half an object', '{"user":"a"'],
    ['comments', '{/* */}'],
    ['a repeated key', '{"user":"a","user":"b","workflow":{"id":"w"}}'],
    ['__proto__', '{"user":"a","workflow":{"id":"w"},"__proto__":{}}'],
    ['depth', '['.repeat(5000) + ']'.repeat(5000)],
  ])('%s instead of JSON', async (_, body) => {
    const headers = { ...CREDENTIALS, 'content-type': 'application/json' }
    const answer = await refusal(SESSIONS, { method: 'POST', headers, body })
    expect(answer).toEqual({ status: 400, param: null, code: null })
    expect(api.sessions()).toEqual([])
  })

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', ''])(
    'content type %o',
    async (type) => {
      const headers = { ...CREDENTIALS, 'content-type': type }
      const parts = { method: 'POST', headers, body: JSON.stringify(MINIMAL) }
      const answer = await refusal(SESSIONS, parts)
      expect(answer).toEqual({ status: 400, param: null, code: 'unsupported_content_type' })
    },
  )

  it('content type with a charset is fine', async () => {
    const headers = { ...CREDENTIALS, 'content-type': 'Application/JSON; charset=utf-8' }
    const parts = { method: 'POST', headers, body: JSON.stringify(MINIMAL) }
    expect(await apiRequest(api, SESSIONS, parts)).toMatchObject({ status: 200 })
  })

  it('more than 256 KiB', async () => {
    const json = { ...MINIMAL, user: 'u'.repeat(256 * 1024) }
    expect(await refusal(SESSIONS, { json })).toMatchObject({ status: 413 })
  })
})

describe('paths and methods', () => {
  it.each(['/', '/v1', '/v1/chatkit', '/v1/chatkit/sessions/', '/v1/models', '/chatkit/sessions'])(
    '%s is unknown, with or without a key',
    async (path) => {
      expect(await refusal(path, {})).toMatchObject({ status: 404 })
      expect(await refusal(path, { headers: {} })).toMatchObject({ status: 404 })
    },
  )

  it.each([
    ['GET', SESSIONS, 'POST'],
    ['DELETE', `${SESSIONS}/cksess_1/cancel`, 'POST'],
    ['POST', '/v1/chatkit/threads', 'GET, HEAD'],
    ['PATCH', '/v1/chatkit/threads/cthr_1', 'GET, HEAD, DELETE'],
    ['DELETE', '/v1/chatkit/threads/cthr_1/items', 'GET, HEAD'],
    ['GET', '/_embedded/threads', 'POST'],
    ['POST', '/_embedded/faults', 'PUT'],
    ['PUT', '/_embedded/requests', 'GET, HEAD, DELETE'],
  ])('%s %s is not allowed', async (method, path, allow) => {
    const { headers } = await apiRequest(api, path, { method })
    expect(headers.get('allow')).toBe(allow)
    expect(await refusal(path, { method })).toMatchObject({
      status: 405,
      code: 'method_not_supported',
    })
  })

  it.each(['cthr_%00', '%2e%2e', 'cthr_1%2Fitems', encodeURIComponent('"')])(
    'an id like %s is just unknown',
    async (id) => {
      api.seedThread({ id: 'cthr_1', user: 'alice' })
      expect(await refusal(`/v1/chatkit/threads/${id}`, {})).toMatchObject({ status: 404 })
    },
  )
})
