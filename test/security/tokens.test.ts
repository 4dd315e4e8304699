import { beforeEach, describe, expect, test } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import { startKeyServer } from '../support/key-server.ts'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { HIGH_LIMITS, startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { createTokenCases } from '../support/token-cases.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

// The "Tokens" table once through the whole service; the corner cases of each row are with step 1.

const es = createSigner('ES256', 'shared-kid')
const rs = createSigner('RS256', 'rsa')
const foreign = createSigner('ES256', 'shared-kid')

const server = forAllTests(() => startKeyServer([es.publicJwk, rs.publicJwk]))
const otherServer = forAllTests(() => startKeyServer([foreign.publicJwk]))
const running = forAllTests(() =>
  startService({
    config: `
issuers:
  - { issuer: '${server.issuer}', audience: [chat-api], algorithms: [ES256, RS256], jwks_uri: '${server.jwksUri}' }
  - { issuer: '${otherServer.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${otherServer.jwksUri}' }
user: issuer + "|" + claims.sub
workflows:
  support: { id: wf_support }
admins: { when: 'claims.admin', issuers: ['${server.issuer}'] }
${HIGH_LIMITS}
`,
  }),
)
beforeEach(() => running.upstream.clearRequests())

const claims = (changes = {}) => claimsOf(server.issuer, Date.now(), changes)
const seconds = () => Math.floor(Date.now() / 1000)
const bearer = (token: string) => [`Authorization: Bearer ${token}`]
const good = () => es.token(claims())

function post(headers: readonly string[], target = '/v1/sessions', body?: string) {
  const parts = { headers, ...(body !== undefined && { body }) }
  return rawExchange(running.url, rawRequest(`POST ${target}`, parts))
}

async function expectRefused(
  headers: readonly string[],
  [status, code, reason]: readonly [number, ErrorCode, RegExp],
): Promise<void> {
  const answer = await post(headers)
  expectProblem(answer, status, code)
  const id = answer.headers['x-request-id']
  const line = running.log.find((one) => one['request_id'] === id)
  expect(line?.['reason']).toMatch(reason)
  expect(running.upstream.requests()).toEqual([])
}

/** Refused as `invalid_token`, each for its own reason, so that no row is refused by accident. */
function expectInvalid(token: string, reason: RegExp): Promise<void> {
  return expectRefused(bearer(token), [401, 'invalid_token', reason])
}

test('a token in the query or in the body is 401 missing_token', async () => {
  const inQuery = await post([], `/v1/sessions?access_token=${good()}&token=${good()}`)
  expectProblem(inQuery, 401, 'missing_token')
  const form = ['Content-Type: application/x-www-form-urlencoded']
  expectProblem(await post(form, '/v1/sessions', `access_token=${good()}`), 401, 'missing_token')
  const json = ['Content-Type: application/json']
  const inBody = await post(json, '/v1/sessions', JSON.stringify({ access_token: good() }))
  expectProblem(inBody, 401, 'missing_token')
  expect(running.upstream.requests()).toEqual([])
})

const cases = createTokenCases({ es, rs, foreign, issuer: () => server.issuer })
const { ES, signed } = cases

describe('401 invalid_token', () => {
  test.each(cases.refused)('%s', async (_name, token, reason) => {
    await expectInvalid(token(), reason)
  })

  test('expired beyond the tolerance is token_expired', async () => {
    const token = es.token(claims({ exp: seconds() - 31 }))
    await expectRefused(bearer(token), [401, 'token_expired', /exp/])
    expect((await post(bearer(es.token(claims({ exp: seconds() - 20 }))))).status).toBe(200)
  })

  test('unknown keys and foreign URLs made nobody fetch more than once', async () => {
    const header = { ...ES, jku: otherServer.jwksUri, x5u: otherServer.jwksUri }
    const before = { ...otherServer.fetches }
    for (let at = 0; at < 20; at++) await post(bearer(signed({ ...header, kid: `kid-${at}` })))
    expect(otherServer.fetches).toEqual(before)
    // The first fetch, and one for all unknown kids of this file within the cool-down.
    expect(server.fetches.jwks).toBeLessThanOrEqual(2)
    expect(running.upstream.requests()).toEqual([])
  })
})

describe('200', () => {
  test.each(cases.accepted)('%s', async (_name, token) => {
    expect((await post(bearer(token()))).status).toBe(200)
    expect(running.upstream.requests()[0]?.body).toMatchObject({ user: `${server.issuer}|alice` })
  })
})
