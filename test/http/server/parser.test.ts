import { beforeEach, describe, expect, test } from 'vitest'
import { expectProblem } from '../../support/problem-answer.ts'
import { chunked, openRaw, rawRequest } from '../../support/raw-http.ts'
import { startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

// Requests that Node's HTTP parser and adapter refuse before the app gets them, sent over bare sockets. Every
// request has a valid token, so any request that reached the app would mint.

const running = forAllTests(() => startService())
beforeEach(() => running.upstream.clearRequests())

const bearer = `Authorization: Bearer ${tokenFor()}`
const JSON_TYPE = 'Content-Type: application/json'

/** A mint with these lines after its request line; HTTP/1.1 by default. */
function mint(lines: readonly string[], rest = ''): string {
  return ['POST /v1/sessions HTTP/1.1', bearer, ...lines, '', rest].join('\r\n')
}

async function refusedAndClosed(bytes: string | Uint8Array, status: number, code: string) {
  const linesBefore = running.log.length
  const connection = await openRaw(running.url)
  connection.send(bytes)
  const answer = await connection.next()
  await connection.closed
  expectProblem(answer, status, code as 'invalid_request')
  expect(answer.headers['connection']).toBe('close')
  expect(connection.rest()).toBe('')
  const lines = running.log.slice(linesBefore)
  expect(lines).toEqual([
    expect.objectContaining({ request_id: answer.headers['x-request-id'], status, code }),
  ])
  expect(running.upstream.requests()).toEqual([])
  return answer
}

describe('400, and the connection is closed', () => {
  const HOST = 'Host: mint.test'
  test.each<[string, string | Uint8Array]>([
    ['no Host', mint(['Content-Length: 0'])],
    ['an empty Host', mint(['Host:'])],
    ['two Hosts, different', mint([HOST, 'Host: other.test'])],
    ['two Hosts, equal', mint([HOST, HOST])],
    ['a Host with a path', mint(['Host: mint.test/v1'])],
    ['a Host with a user', mint(['Host: me@mint.test'])],
    ['a Host that is a list', mint(['Host: mint.test, other.test'])],
    ['a Host with a port beyond 65535', mint(['Host: mint.test:99999'])],
    ['a Host with an empty port', mint(['Host: mint.test:'])],
    ['a Host that is no IPv6 address', mint(['Host: [:::]'])],
    ['a Host that is no IPv4 address', mint(['Host: 1.2.3.256'])],
    ['a Host that a URL reads as another one', mint(['Host: 1.2:80'])],
    ['two Hosts in HTTP/1.0', `GET /livez HTTP/1.0\r\n${HOST}\r\n${HOST}\r\n\r\n`],
    ['an empty Host in HTTP/1.0', 'GET /livez HTTP/1.0\r\nHost:\r\n\r\n'],
    ['HTTP/0.9', 'GET /livez\r\n\r\n'],
    ['HTTP/3.0 in the request line', `GET /livez HTTP/3.0\r\n${HOST}\r\n\r\n`],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS handshake', Buffer.from('16030102000100', 'hex')],
    ['repeated Content-Length', mint([HOST, 'Content-Length: 2', 'Content-Length: 2'], '{}')],
    ['two Content-Lengths that differ', mint([HOST, 'Content-Length: 2', 'Content-Length: 3'])],
    ['Content-Length with a list', mint([HOST, 'Content-Length: 2, 2'], '{}')],
    ['Content-Length with a sign', mint([HOST, 'Content-Length: +2'], '{}')],
    ['Content-Length in hex', mint([HOST, 'Content-Length: 0x2'], '{}')],
    [
      'Content-Length with Transfer-Encoding',
      mint([HOST, 'Content-Length: 2', 'Transfer-Encoding: chunked'], chunked('{}')),
    ],
    [
      'Transfer-Encoding with Content-Length',
      mint([HOST, 'Transfer-Encoding: chunked', 'Content-Length: 2'], chunked('{}')),
    ],
    ['chunked twice', mint([HOST, 'Transfer-Encoding: chunked, chunked'], chunked('{}'))],
    ['Transfer-Encoding without chunked', mint([HOST, 'Transfer-Encoding: identity'], '{}')],
    ['chunked, but not last', mint([HOST, 'Transfer-Encoding: chunked, identity'], '{}')],
    [
      'chunked in HTTP/1.0',
      `GET /livez HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n${chunked('{}')}`,
    ],
    ['a chunk size that is none', mint([HOST, JSON_TYPE, 'Transfer-Encoding: chunked'], 'zz\r\n')],
    ['bare LF everywhere', mint([HOST]).replaceAll('\r\n', '\n')],
    ['bare LF after a header', mint([`${HOST}\nX: y`])],
    ['NUL in a header', mint([HOST, 'X: a\0b'])],
    ['CR in a header', mint([HOST, 'X: a\rb'])],
    ['NUL in a header name', mint([HOST, 'X\0: a'])],
    ['a space before the colon', mint([HOST, 'Content-Length : 2'], '{}')],
    ['a folded header', mint([HOST, 'X: a', ' b'])],
    ['version 2.0', `GET /livez HTTP/2.0\r\n${HOST}\r\n\r\n`],
    ['version 0.9', `GET /livez HTTP/0.9\r\n${HOST}\r\n\r\n`],
    ['an unknown method', `BREW /v1/sessions HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a method in lower case', `post /v1/sessions HTTP/1.1\r\n${HOST}\r\n${bearer}\r\n\r\n`],
    ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL of another scheme as target', `GET ftp://mint.test/livez HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL without a host as target', `GET http:///livez HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL with a user as target', `GET http://a@mint.test/livez HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL with a fragment as target', `GET http://a/livez#x HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL with dot segments as target', `GET http://a/x/../livez HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a URL that nobody can read as target', 'GET http://1.2.3.256/livez HTTP/1.0\r\n\r\n'],
    ['a URL as target, and no Host', 'GET http://mint.test/livez HTTP/1.1\r\n\r\n'],
    ['a URL as target, and a bad Host', 'GET http://mint.test/livez HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['an authority-form target', `GET mint.test:80 HTTP/1.1\r\n${HOST}\r\n\r\n`],
    ['a target with a fragment', rawRequest('GET /livez#x')],
    ['a target with bytes beyond ASCII', rawRequest('GET /liv\u00e9z')],
    ['a target with a space', rawRequest('GET /livez x')],
  ])('%s', async (_name, bytes) => {
    await refusedAndClosed(bytes, 400, 'invalid_request')
  })
})

describe('other refusals from below the app', () => {
  test('CONNECT gets 405 with Allow', async () => {
    const text = 'CONNECT mint.test:443 HTTP/1.1\r\nHost: mint.test:443\r\n\r\n'
    const answer = await refusedAndClosed(text, 405, 'method_not_allowed')
    expect(answer.headers['allow']).toContain('POST')
  })

  test.each(['x', '100-continue, x', 'x, 100-continue', '100-continue;q=1'])(
    'Expect: %s, which is not 100-continue alone, gets 417',
    async (value) => {
      const head = ['Host: mint.test', JSON_TYPE, `Expect: ${value}`, 'Content-Length: 2']
      await refusedAndClosed(mint(head, '{}'), 417, 'expectation_failed')
    },
  )

  test.each([
    ['one header of 17 KB', rawRequest('POST /v1/sessions', { headers: [bearer, long('X: ')] })],
    ['17 KB of small headers', rawRequest('GET /livez', { headers: Array(5800).fill('a:') })],
    ['a target of 17 KB', rawRequest(`GET /${long('')}`)],
  ])('%s get 431', async (_name, bytes) => {
    await refusedAndClosed(bytes, 431, 'headers_too_large')
  })

  test('headers just under 16 KiB are read', async () => {
    const connection = await openRaw(running.url)
    connection.send(rawRequest('GET /livez', { headers: [`X: ${'x'.repeat(16_000)}`] }))
    expect((await connection.next()).status).toBe(200)
    connection.destroy()
  })

  test('a second Authorization is seen even behind 2,500 other headers', async () => {
    const headers = [bearer, ...Array(2500).fill('a:'), bearer]
    const connection = await openRaw(running.url)
    connection.send(rawRequest('POST /v1/sessions', { headers }))
    expectProblem(await connection.next(), 400, 'invalid_request')
    expect(running.upstream.requests()).toEqual([])
    connection.destroy()
  })
})

describe('unusual requests that are accepted', () => {
  test.each([
    ['HTTP/1.0 without Host (HAProxy)', 'GET /livez HTTP/1.0\r\n\r\n'],
    ['HTTP/1.0 with Host', 'GET /livez HTTP/1.0\r\nHost: mint.test\r\n\r\n'],
    ['Host with a port', 'GET /livez HTTP/1.1\r\nHost: mint.test:8787\r\n\r\n'],
    ['Host in upper case', 'GET /livez HTTP/1.1\r\nHost: MINT.TEST\r\n\r\n'],
    ['Host with an IPv6 address', 'GET /livez HTTP/1.1\r\nHost: [::1]:8787\r\n\r\n'],
    ['GET with a body', rawRequest('GET /livez', { body: 'abc' })],
    [
      'a transfer coding in upper case',
      `GET /livez HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: CHUNKED\r\n\r\n${chunked('{}')}`,
    ],
    ['a URL as target', 'GET http://mint.test/livez HTTP/1.1\r\nHost: a.test\r\n\r\n'],
    [
      'a URL as target, with a query',
      'GET HTTPS://[::1]:1/livez?a HTTP/1.1\r\nHost: a.test\r\n\r\n',
    ],
    ['a URL as target, with HTTP/1.0', 'GET http://mint.test/livez HTTP/1.0\r\n\r\n'],
    [
      'Upgrade: websocket is answered as if it were absent',
      rawRequest('GET /livez', {
        headers: ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
      }),
    ],
    [
      'Upgrade: h2c too',
      rawRequest('GET /livez', {
        headers: [
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABk',
        ],
      }),
    ],
  ])('%s', async (_name, bytes) => {
    const connection = await openRaw(running.url)
    connection.send(bytes)
    const answer = await connection.next()
    expect(answer).toMatchObject({ status: 200, body: '{"status":"live"}' })
    expect(answer.headers).not.toHaveProperty('upgrade')
    connection.destroy()
  })

  test('Expect: 100-continue is answered 100, and then as usual', async () => {
    const connection = await openRaw(running.url)
    const head = ['Host: mint.test', JSON_TYPE, 'Expect: 100-continue', 'Content-Length: 2']
    connection.send(mint(head))
    expect((await connection.next()).status).toBe(100)
    connection.send('{}')
    expect((await connection.next()).status).toBe(200)
    connection.destroy()
  })

  test.each(['TRACE', 'PUT', 'PATCH', 'PROPFIND', 'QUERY'])(
    '%s: 405 from the app',
    async (method) => {
      const connection = await openRaw(running.url)
      connection.send(rawRequest(`${method} /v1/sessions`, { headers: [bearer], body: '{}' }))
      expectProblem(await connection.next(), 405, 'method_not_allowed')
      expect(running.upstream.requests()).toEqual([])
      connection.destroy()
    },
  )
})

function long(start: string): string {
  return start + 'x'.repeat(17 * 1024)
}
