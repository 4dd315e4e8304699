import { describe, expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { problemAnswer } from '../../src/respond/problem.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { claimsOf, DEFAULT_CONFIG, startService } from '../support/running-service.ts'
import { createSigner } from '../support/tokens.ts'

// Problem answers (RFC 9457) of a mint whose user, keys or code fail. Other codes have tests of their own.

describe('a request is answered with', () => {
  test('claims_not_mapped when the user expression needs an absent claim', async () => {
    const config = DEFAULT_CONFIG.replace('user: claims.sub', 'user: claims.employee')
    const { mint } = await startService({ config })
    expectProblem(await answerOf(await mint()), 403, 'claims_not_mapped')
  })

  test('idp_unavailable, and not 401, while the keys are not known', async () => {
    const keys = 'algorithms: [ES256]\n    jwks_uri: http://127.0.0.1:9/jwks.json'
    const config = DEFAULT_CONFIG.replace('algorithms: [HS256]', keys).replace(
      /.*secret_env.*\n/,
      '',
    )
    const { url, upstream } = await startService({ config })
    const token = createSigner('ES256').token(claimsOf())
    const init = { method: 'POST', headers: { authorization: `Bearer ${token}` } }
    const answer = await answerOf(await fetch(`${url}/v1/sessions`, init))
    expectProblem(answer, 503, 'idp_unavailable')
    expectProblem(await answerOf(await fetch(`${url}/readyz`)), 503, 'idp_unavailable')
    expect(upstream.requests()).toEqual([])
  })

  test('internal_error and only the request id, and the log holds the rest', async () => {
    const running = await startService()
    running.app.get('/broken', () => {
      throw new TypeError('planted internals')
    })
    const answer = await answerOf(await fetch(`${running.url}/broken`))
    expectProblem(answer, 500, 'internal_error')
    expect(answer.body).not.toMatch(/planted|TypeError/)
    expect(running.log.at(-1)).toMatchObject({
      level: 50,
      request_id: answer.headers['x-request-id'],
      code: 'internal_error',
      err: { cause: { type: 'TypeError', message: 'planted internals' } },
    })
  })
})

test('readiness makes no call to OpenAI', async () => {
  const { url, upstream } = await startService()
  upstream.setFaults({ status: 500 })
  expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: 'ready' })
  expect(upstream.requests()).toEqual([])
})

test.each([
  ['rate_limited', 0, '1'],
  ['rate_limited', 1.2, '2'],
  ['overloaded', undefined, expect.stringMatching(/^[1-9]\d*$/)],
  ['server_refused', 7, '7'],
  ['server_refused', undefined, undefined],
  ['invalid_request', 7, undefined],
] as const)('%s with a wait of %s s has Retry-After: %s', (code, retryAfterSeconds, expected) => {
  const error = new ServiceError(code, {
    reason: 'planted',
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  })
  expect(problemAnswer(error, 'req_1').headers['Retry-After']).toEqual(expected)
})
