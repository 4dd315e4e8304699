import { beforeEach, describe, expect, it, test } from 'vitest'
import { type ChatKitApi, createChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { apiRequest, CREDENTIALS, type RequestParts } from '../support/chatkit/request.ts'

const SESSIONS = '/v1/chatkit/sessions'

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

  it.each<[string, Record<string, string>, RegExp]>([
    ['no key', beta, /^You didn't provide an API key\./],
    [
      'another key',
      { ...beta, authorization: 'Bearer pk-1' },
      /^Incorrect API key provided: \*{4}\.$/,
    ],
    ['a longer one', { ...beta, authorization: 'Bearer pk-1234567890' }, /: pk-\*{6}7890\.$/],
  ])('%s is told what is wrong', async (_, headers, message) => {
    const { body } = await apiRequest(api, '/v1/chatkit/threads', { headers })
    expect(body).toMatchObject({ error: { message: expect.stringMatching(message) } })
  })

  it('accepts any sk- key, and other beta names in the header', async () => {
    const headers = { authorization: 'bearer sk-x', 'openai-beta': 'other=1, chatkit_beta=v1' }
    expect(await apiRequest(api, '/v1/chatkit/threads', { headers })).toMatchObject({ status: 200 })
  })
})

// The other refusals of bodies and queries are those of this service's API for backends, whose code it shares.
test('a body of more than 256 KiB is refused with 413', async () => {
  const json = { user: 'u'.repeat(256 * 1024), workflow: { id: 'wf_1' } }
  expect(await refusal(SESSIONS, { json })).toMatchObject({ status: 413 })
  expect(api.sessions()).toEqual([])
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
