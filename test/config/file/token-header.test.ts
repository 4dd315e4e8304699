import { describe, expect, test } from 'vitest'
import { minimalWith, problemsOf } from '../fixtures.ts'

const withHeader = (name: string): string =>
  minimalWith('    algorithms: [RS256]', `    algorithms: [RS256]\n    token_header: ${name}`)

describe('token_header may be', () => {
  test.each([
    'Cf-Access-Jwt-Assertion',
    'X-Goog-IAP-JWT-Assertion',
    'X-MS-TOKEN-AAD-ID-TOKEN',
    'x-amzn-oidc-accesstoken',
    'X-Forwarded-Access-Token',
    'X-Auth-Request-Access-Token',
    'X-Custom-Authorization',
  ])('%s', (name) => {
    expect(problemsOf(withHeader(name))).toEqual([])
  })
})

describe('token_header must not be', () => {
  test.each([
    ...[
      'Authorization',
      'Proxy-Authorization',
      'Cookie',
      'Set-Cookie',
      'Host',
      'Origin',
      'Referer',
    ],
    ...['Connection', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade', 'Keep-Alive', 'Expect'],
    ...[
      'Content-Type',
      'Content-Length',
      'Accept',
      'Accept-Language',
      'User-Agent',
      'Cache-Control',
    ],
    ...['Sec-Fetch-Site', 'sec-ch-ua', 'Access-Control-Request-Headers', 'If-None-Match', 'Range'],
    ...['DNT', 'Priority', 'X-Requested-With', 'Upgrade-Insecure-Requests', 'OpenAI-Beta', 'Date'],
    ...[
      'Forwarded',
      'Via',
      'X-Forwarded-For',
      'X-Forwarded-Host',
      'x-forwarded-user',
      'X-Forwarded',
    ],
    ...['X-Real-IP', 'True-Client-IP', 'Fly-Client-IP', 'CF-Connecting-IP', 'Cf-Ray', 'CDN-Loop'],
    ...['traceparent', 'tracestate', 'baggage', 'sentry-trace', 'X-Amzn-Trace-Id', 'X-Request-Id'],
    ...['X-ChatKit-User', 'x-chatkit-session', 'X-Original-URL', 'X-HTTP-Method-Override'],
    ...[
      'Alt-Used',
      'Available-Dictionary',
      'Attribution-Reporting-Eligible',
      'Purpose',
      'X-Client-Data',
    ],
    ...[
      'X-ARR-SSL',
      'X-AppEngine-Country',
      'Akamai-Origin-Hop',
      'X-Nginx-Proxy',
      'X-Ot-Span-Context',
    ],
    ...['"a b"', '"a:"', '""', '"é"', `"${'x'.repeat(129)}"`],
  ])('%s', (name) => {
    const problems = problemsOf(withHeader(name))
    expect(problems).toHaveLength(1)
    expect(problems[0]).toContain('issuers[0].token_header must ')
  })
})

test('token_header must not be the header in which the client’s address comes', () => {
  const text = `${withHeader('X-Who')}client_ip_header: x-who\n`
  expect(problemsOf(text)).toEqual([
    expect.stringContaining('issuers[0].token_header is the client_ip_header'),
  ])
})

test.each([
  ['a token_header', 'X-App-Token', 'x-app-token'],
  ['the token_header in another case', 'x-APP-token', 'X-App-TOKEN'],
  ['the client_ip_header', 'X-Other', 'x-edge-address'],
])('forward_headers must not hold %s', (_name, header, forwarded) => {
  const text = withHeader(header).replace(
    'id: wf_1',
    `server: https://own.acme.test/chatkit\n    forward_headers: [article-id, ${forwarded}]`,
  )
  expect(problemsOf(`${text}client_ip_header: X-Edge-Address\n`)).toEqual([
    expect.stringContaining(
      'workflows.support.forward_headers[1] is the token_header or client_ip',
    ),
  ])
})
