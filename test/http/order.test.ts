import { beforeEach, describe, expect, test } from 'vitest'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'

// Each request has several faults, and the answer names the first of this order: HTTP parser; 404 and 405; Origin;
// authentication; 415, 413, 400; workflow rule; upstream.

const CONFIG = `
issuers:
  - { issuer: 'https://issuer.test', audience: [chat-api], algorithms: [HS256], secret_env: TEST_SHARED_SECRET }
user: claims.sub
workflows:
  vip: { id: wf_vip, when: '"vip" in claims.groups' }
`

const running = forAllTests(() => startService({ config: CONFIG }))
beforeEach(() => {
  running.upstream.clearRequests()
  running.upstream.setFaults({ status: 401 })
})

const EVIL = 'Origin: https://evil.example'
const BAD_TOKEN = 'Authorization: Bearer a.b.c'
const GOOD_TOKEN = `Authorization: Bearer ${tokenFor('alice', { groups: ['staff'] })}`
const VIP_TOKEN = `Authorization: Bearer ${tokenFor('alice', { groups: ['vip'] })}`
const TEXT = 'Content-Type: text/plain'
const JSON_TYPE = 'Content-Type: application/json'
const VIP_INPUT = '{"workflow":"vip","input":{"x":1}}'
const HUGE = `[${' '.repeat(17_000)}`

type Row = readonly [string, string, readonly string[], string, number, string]

const MINT = 'POST /v1/sessions'
const ALL = [EVIL, BAD_TOKEN, TEXT]
const READ = [GOOD_TOKEN, JSON_TYPE]

const ROWS: readonly Row[] = [
  ['the parser, before all', 'POST /v1/../sessions', ALL, HUGE, 400, 'invalid_request'],
  ['404 before Origin', 'POST /v1/session', ALL, HUGE, 404, 'not_found'],
  ['405 before Origin', 'PUT /v1/sessions', ALL, HUGE, 405, 'method_not_allowed'],
  ['Origin before authentication', MINT, ALL, HUGE, 403, 'origin_not_allowed'],
  ['authentication before 415', MINT, [BAD_TOKEN, TEXT], HUGE, 401, 'invalid_token'],
  ['a missing token before 415', MINT, [TEXT], HUGE, 401, 'missing_token'],
  ['415 before 413', MINT, [GOOD_TOKEN, TEXT], HUGE, 415, 'unsupported_media_type'],
  ['413 before 400', MINT, READ, HUGE, 413, 'body_too_large'],
  ['400 before the workflow rule', MINT, READ, '[]', 400, 'invalid_request'],
  ['the workflow rule before upstream', MINT, READ, '{}', 403, 'workflow_not_allowed'],
  ['its rule before its input', MINT, READ, VIP_INPUT, 403, 'workflow_not_allowed'],
]

/** Sends one request; without a body only its head. */
function send(line: string, headers: readonly string[], body?: string) {
  return rawExchange(
    running.url,
    rawRequest(line, { headers, ...(body !== undefined && { body }) }),
  )
}

describe('faults are checked in order, and nothing is sent upstream', () => {
  test.each(ROWS)('%s', async (_name, line, headers, body, status, code) => {
    const answer = await send(line, headers, body)
    expectProblem(answer, status, code as 'invalid_request')
    expect(running.upstream.requests()).toEqual([])
  })

  test('an upstream error comes last', async () => {
    const answer = await send(MINT, [VIP_TOKEN, JSON_TYPE], '{}')
    expectProblem(answer, 502, 'upstream_auth_failed')
    expect(running.upstream.requests()).toHaveLength(1)
  })

  test('a refusal does not wait for the body', async () => {
    // Only the head is sent: a service that waits for the body would never answer.
    for (const [headers, status] of [
      [[BAD_TOKEN], 401],
      [[GOOD_TOKEN, TEXT], 415],
    ] as const) {
      const answer = await send(MINT, [...headers, 'Content-Length: 10'])
      expect(answer.status).toBe(status)
    }
  })

  test('a workflow that does not exist and one that is not allowed get the same answer', async () => {
    const [unknown, forbidden] = await Promise.all(
      ['{"workflow":"nope"}', '{"workflow":"vip"}'].map(async (body) => {
        const answer = await send(MINT, READ, body)
        expectProblem(answer, 403, 'workflow_not_allowed')
        return answer.body.replace(/req_[\w-]+/, '')
      }),
    )
    expect(unknown).toBe(forbidden)
  })
})
