import { gzipSync } from 'node:zlib'
import { Hono } from 'hono'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readText } from '../../src/http/body.ts'
import type { AppEnv } from '../../src/http/context.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { chunked, type RawAnswer, rawExchange, rawRequest } from '../support/raw-http.ts'
import { HIGH_LIMITS, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

const CONFIG = `
issuers:
  - { issuer: 'https://issuer.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET }
user: claims.sub
workflows:
  support:
    id: wf_support
    input:
      page: { type: string, max_length: 20 }
      count: { type: number }
      open: { type: boolean }
    state_variables: { page: 'has(input.page) ? input.page : "none"' }
${HIGH_LIMITS}
`

const running = forAllTests(() => startService({ config: CONFIG }))
beforeEach(() => running.upstream.clearRequests())

const bearer = `Authorization: Bearer ${tokenFor()}`
const JSON_TYPE = 'Content-Type: application/json'

function post(body: string | Uint8Array | undefined, headers = [JSON_TYPE]): Promise<RawAnswer> {
  const parts = { headers: [bearer, ...headers], ...(body !== undefined && { body }) }
  return rawExchange(running.url, rawRequest('POST /v1/sessions', parts))
}

function postChunked(text: string, headers = [JSON_TYPE]): Promise<RawAnswer> {
  const all = [bearer, ...headers, 'Transfer-Encoding: chunked']
  const head = rawRequest('POST /v1/sessions', { headers: all })
  return rawExchange(running.url, Buffer.concat([head, Buffer.from(chunked(text))]))
}

function expectMinted(answer: RawAnswer): void {
  expect(answer.status).toBe(200)
  expect(answer.json()).toEqual({ client_secret: expect.stringMatching(/^ek_/) })
  expect(running.upstream.requests()).toHaveLength(1)
}

function expectRefused(answer: RawAnswer, status: number, code: string): void {
  expectProblem(answer, status, code as 'invalid_request')
  expect(running.upstream.requests()).toEqual([])
}

describe('a mint goes through with', () => {
  test.each([
    [[JSON_TYPE]],
    [[]],
    [['Content-Type: text/plain']],
    [['Content-Type: application/x-www-form-urlencoded']],
  ])('no body, one of length 0 and an empty chunked one, with %j', async (types) => {
    const head = { headers: [bearer, ...types, 'Transfer-Encoding: chunked'] }
    const bytes = Buffer.concat([rawRequest('POST /v1/sessions', head), Buffer.from('0\r\n\r\n')])
    for (const sent of [post(undefined, types), post('', types), rawExchange(running.url, bytes)]) {
      expect(await sent).toMatchObject({ status: 200 })
    }
    expect(running.upstream.requests()).toHaveLength(3)
  })
  test('an empty object', async () => expectMinted(await post('{}')))
})

describe('content types', () => {
  test.each([
    'application/json',
    'Application/JSON',
    'application/json;charset=utf-8',
    'application/json; charset=UTF-8',
    'application/json; charset="utf-8"',
    'application/json ;\tcharset=utf-8',
    'application/json;',
  ])('a body of type %s is read', async (type) => {
    expectMinted(await post('{"workflow":"support"}', [`Content-Type: ${type}`]))
    running.upstream.clearRequests()
    // The body must be read, not skipped.
    expectRefused(await post('{"user":"x"}', [`Content-Type: ${type}`]), 400, 'invalid_request')
  })

  test.each([
    ['text', ['text/plain']],
    ['text with JSON in its name', ['text/json']],
    ['form', ['application/x-www-form-urlencoded']],
    ['multipart', ['multipart/form-data; boundary=x']],
    ['another JSON type', ['application/merge-patch+json']],
    ['a longer name', ['application/jsonx']],
    ['another charset', ['application/json; charset=iso-8859-1']],
    ['UTF-16', ['application/json; charset=utf-16']],
    ['two charsets', ['application/json; charset=utf-8; charset=utf-7']],
    ['half a quote', ['application/json; charset="utf-8']],
    ['another parameter', ['application/json; boundary=x']],
    ['a list', ['application/json, text/plain']],
    ['two, equal', ['application/json', 'application/json']],
    ['two, the good one first', ['application/json', 'text/plain']],
    ['two, the good one last', ['text/plain', 'application/json']],
    ['empty', ['']],
    ['none', []],
  ])('a body with this content type is refused with 415: %s', async (_name, types) => {
    const headers = types.map((type) => `Content-Type: ${type}`)
    expectRefused(await post('{}', headers), 415, 'unsupported_media_type')
    expectRefused(await postChunked('{}', headers), 415, 'unsupported_media_type')
  })

  test.each(['gzip', 'deflate', 'br', 'gzip, identity', ''])(
    'a body with Content-Encoding %j is refused with 415',
    async (coding) => {
      const headers = [JSON_TYPE, `Content-Encoding: ${coding}`]
      expectRefused(await post(gzipSync('{}'), headers), 415, 'unsupported_media_type')
      await expect
        .poll(() => running.log.at(-1))
        .toMatchObject({ status: 415, reason: 'a Content-Encoding' })
    },
  )

  test('a body with Content-Encoding: identity is read', async () => {
    expectMinted(await post('{}', [JSON_TYPE, 'Content-Encoding: identity']))
  })

  test.each([
    ['packed', gzipSync('{}')],
    ['not packed', Buffer.from('{}')],
  ])('a body with Transfer-Encoding: gzip, chunked is refused: %s', async (_name, content) => {
    const head = { headers: [bearer, JSON_TYPE, 'Transfer-Encoding: gzip, chunked'] }
    const size = Buffer.from(`${content.length.toString(16)}\r\n`)
    const end = Buffer.from('\r\n0\r\n\r\n')
    const bytes = [rawRequest('POST /v1/sessions', head), size, content, end]
    const answer = await rawExchange(running.url, Buffer.concat(bytes))
    expectRefused(answer, 400, 'invalid_request')
  })
})

describe('length', () => {
  const ofLength = (bytes: number) => {
    const empty = '{"current_client_secret":""}'
    return empty.replace('""', `"${'x'.repeat(bytes - empty.length)}"`)
  }

  test('a body of exactly 16 KiB is read, by length and chunked', async () => {
    expectMinted(await post(ofLength(16_384)))
    running.upstream.clearRequests()
    expectMinted(await postChunked(ofLength(16_384)))
  })

  test('a body of one byte more is refused with 413, by length and chunked', async () => {
    expectRefused(await post(ofLength(16_385)), 413, 'body_too_large')
    expectRefused(await postChunked(ofLength(16_385)), 413, 'body_too_large')
  })

  test('the limit counts bytes, not characters', async () => {
    const text = ofLength(16_384).replace('xx', 'x\u00e9')
    expect(Buffer.byteLength(text)).toBe(16_385)
    expectRefused(await post(text), 413, 'body_too_large')
    expectRefused(await postChunked(text), 413, 'body_too_large')
  })

  test('a declared length of 2^53 - 1 is refused before the body arrives', async () => {
    const headers = [bearer, JSON_TYPE, 'Content-Length: 9007199254740991']
    const answer = await rawExchange(running.url, rawRequest('POST /v1/sessions', { headers }))
    expectRefused(answer, 413, 'body_too_large')
  })

  test('an endless chunked body is refused with 413', async () => {
    const headers = [bearer, JSON_TYPE, 'Transfer-Encoding: chunked']
    const head = rawRequest('POST /v1/sessions', { headers })
    const chunk = `4000\r\n${' '.repeat(0x4000)}\r\n`
    const answer = await rawExchange(
      running.url,
      Buffer.concat([head, Buffer.from(chunk.repeat(4))]),
    )
    expectRefused(answer, 413, 'body_too_large')
  })
})

describe('400', () => {
  const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`

  test.each([
    ['an array', '[]'],
    ['null', 'null'],
    ['a string', '"support"'],
    ['a number', '1'],
    ['truncated', '{"workflow":"supp'],
    ['two values', '{}{}'],
    ['comments', '{/* one */}'],
    ['a trailing comma', '{"workflow":"support",}'],
    ['single quotes', "{'workflow':'support'}"],
    ['white space alone', ' \r\n '],
    ['nested 5,000 deep', nested(5000)],
    ['a repeated key', '{"workflow":"support","workflow":"support"}'],
    ['a repeated key, one escaped', '{"workflow":"support","work\\u0066low":"support"}'],
    ['a repeated key within', '{"input":{"page":"a","page":"b"}}'],
    ['__proto__', '{"__proto__":{"user":"bob"}}'],
    ['__proto__ within input', '{"input":{"__proto__":{"page":"x"}}}'],
    ['constructor', '{"constructor":{}}'],
    ['user', '{"user":"bob"}'],
    ['state_variables', '{"state_variables":{"plan":"gold"}}'],
    ['a workflow that is an object', '{"workflow":{"id":"wf_other"}}'],
    ['an unknown field that is null', '{"user":null}'],
    ['an undeclared input that is null', '{"input":{"plan":null}}'],
    ['nothing but null within a list', '[null]'],
    ['a workflow that is empty', '{"workflow":""}'],
    ['a secret that is a number', '{"current_client_secret":1}'],
    ['an input that is an array', '{"input":["page"]}'],
    ['an input field that is an object', '{"input":{"page":{"a":1}}}'],
    ['an undeclared input', '{"input":{"plan":"gold"}}'],
    ['an undeclared input that every object has', '{"input":{"constructor":"x"}}'],
    ['an oversized input', `{"input":{"page":"${'x'.repeat(21)}"}}`],
    ['an input of another type', '{"input":{"page":1}}'],
    ['an input that is infinite', '{"input":{"count":1e999}}'],
    ['an input with a lone surrogate', '{"input":{"page":"\\ud800"}}'],
  ])('a body is refused with 400: %s', async (_name, text) => {
    expectRefused(await post(text), 400, 'invalid_request')
    expectRefused(await postChunked(text), 400, 'invalid_request')
  })

  test.each([
    ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['UTF-16', Buffer.from('{}', 'utf16le')],
    ['NUL', Buffer.from('{}\0')],
    ['one byte of a name that is not UTF-8', Buffer.from('{"input":{"page":"\xff"}}', 'latin1')],
  ])('a body of other bytes is refused with 400: %s', async (_name, bytes) => {
    expectRefused(await post(bytes), 400, 'invalid_request')
  })

  test('a body of 32 levels is read, and one of 33 is refused', async () => {
    const within = await post(`{"input":${nested(31)}}`)
    expectRefused(within, 400, 'invalid_request')
    expect(within.json()['detail']).toMatch(/field "input/)
    const beyond = await post(`{"input":${nested(32)}}`)
    expectRefused(beyond, 400, 'invalid_request')
    expect(beyond.json()['detail']).toMatch(/more than 32 levels/)
  })

  test('the answer repeats nothing of the body', async () => {
    const answer = await post('{"planted-name":"planted-value","input":{"planted-field":1}}')
    expect(answer.status).toBe(400)
    expect(answer.body).not.toContain('planted')
  })
})

test('U+FFFD in UTF-8 is a character like any other, and is read', async () => {
  const text = '{"input":{"page":"a\ufffd"}}'
  expectMinted(await post(text))
  const [request] = running.upstream.requests()
  expect(request?.body).toMatchObject({ workflow: { state_variables: { page: 'a\ufffd' } } })
  running.upstream.clearRequests()
  expectMinted(await postChunked(text))
})

describe('null counts as absence', () => {
  test.each([
    ['in every field', '{"workflow":null,"input":null,"current_client_secret":null}'],
    ['in a declared input', '{"input":{"page":null,"count":null}}'],
  ])('%s', async (_name, text) => {
    expectMinted(await post(text))
    const [request] = running.upstream.requests()
    expect(request?.body).toMatchObject({ workflow: { state_variables: { page: 'none' } } })
  })
})

describe('input within its declaration', () => {
  test('reaches the state variables, and nothing else does', async () => {
    const input = { page: 'x'.repeat(20), count: 1.5, open: false }
    expectMinted(await post(JSON.stringify({ input, current_client_secret: null })))
    const [request] = running.upstream.requests()
    expect(request?.body).toEqual({
      user: 'alice',
      workflow: {
        id: 'wf_support',
        state_variables: { page: 'x'.repeat(20) },
        tracing: { enabled: false },
      },
    })
  })
})

test('a body that was read leaves no timer behind', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const app = new Hono<AppEnv>().post('/', async (c) => c.text(await readText(c)))
  const incoming = { headers: { 'content-length': '4' } }
  const answer = await app.request('/', { method: 'POST', body: 'read' }, { incoming })
  expect(await answer.text()).toBe('read')
  expect(vi.getTimerCount()).toBe(0)
})
