import { expect } from 'vitest'
import type { Behaviour } from '../support/chatkit/scripted-upstream.ts'
import { API_KEY, type Running } from '../support/running-service.ts'

/** A refusal in the API's words, which nobody outside may read. */
export const answer = (status: number, headers: Record<string, string> = {}): Behaviour => ({
  kind: 'answer',
  status,
  body: {
    error: {
      message: `Incorrect API key provided: ${API_KEY}. UPSTREAM-TEXT`,
      type: 'some_error',
      param: null,
      code: 'some_code',
    },
  },
  headers,
})

/** A refusal that names a time. */
export const retryAfter = (status: number, value: string) =>
  answer(status, { 'retry-after': value })

/** The fields of a problem that the tests compare. */
export interface Problem {
  readonly status: number
  readonly code: unknown
  readonly retryAfter: string | null
}

/** A refused call; fails unless it is a problem that says nothing of upstream, key or secret. */
export async function refused(service: Running, call: Promise<Response>): Promise<Problem> {
  const response = await call
  const body = await response.text()
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  for (const text of [body, service.logText()]) {
    expect(text).not.toContain(API_KEY)
    expect(text).not.toContain('UPSTREAM-TEXT')
    expect(text).not.toContain('ek_planted')
  }
  const { code } = JSON.parse(body)
  return { status: response.status, code, retryAfter: response.headers.get('retry-after') }
}
