import { expect } from 'vitest'
import type { ErrorCode } from '../../src/lib/errors.ts'
import type { RawAnswer } from './raw-http.ts'

/** A response of `fetch` in the form of a raw answer. */
export async function answerOf(response: Response): Promise<RawAnswer> {
  const body = await response.text()
  const headers = Object.fromEntries(response.headers)
  return { status: response.status, headers, body, json: () => JSON.parse(body) }
}

/** Checks the headers that every answer must have. */
export function expectEnvelope({ headers }: RawAnswer): void {
  expect(headers['x-request-id']).toMatch(/^req_[0-9a-f]{32}$/)
  expect(headers['x-content-type-options']).toBe('nosniff')
  expect(headers['cache-control']).toBe('no-store')
}

/**
 * Checks a whole refusal: envelope, RFC 9457 members and nothing else, the challenge with 401
 * (RFC 6750 §3), the seconds to wait with 429 and 503.
 */
export function expectProblem(answer: RawAnswer, status: number, code: ErrorCode): void {
  const { headers } = answer
  expect({ status: answer.status, body: answer.json() }).toEqual({
    status,
    body: {
      type: `urn:chatkit-mint:problem:${code}`,
      title: expect.stringMatching(/^[A-Z].{3,}$/),
      status,
      detail: expect.stringMatching(/^.{10,}\.$/s),
      code,
      request_id: headers['x-request-id'],
    },
  })
  expectEnvelope(answer)
  expect(headers['content-type']).toBe('application/problem+json')
  expect(headers['www-authenticate']).toEqual(status === 401 ? challengeOf(code) : undefined)
  expect('allow' in headers).toBe(status === 405)
  const waits = status === 429 || status === 503
  expect('retry-after' in headers).toBe(waits)
  if (waits) expect(headers['retry-after']).toMatch(status === 503 ? UP_TO_120 : /^[1-9]\d*$/)
}

const UP_TO_120 = /^(?:[1-9]\d?|1[01]\d|120)$/

function challengeOf(code: ErrorCode): unknown {
  if (code === 'missing_token') return 'Bearer'
  return expect.stringMatching(/^Bearer error="invalid_token", error_description="[\w ]+"$/)
}

/** Checks a 401 of the introspection endpoint, whose challenge names both schemes (RFC 9110 §11.6.1). */
export function expectBothSchemes(answer: RawAnswer, code: 'missing_token' | 'invalid_token') {
  const both = answer.headers['www-authenticate'] ?? ''
  const bearer = both.replace(/, Basic realm="introspection", charset="UTF-8"$/, '')
  expect(bearer).not.toBe(both)
  expectProblem(
    { ...answer, headers: { ...answer.headers, 'www-authenticate': bearer } },
    401,
    code,
  )
}
