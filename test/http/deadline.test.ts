import { expect, test } from 'vitest'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { DEFAULT_CONFIG, startService } from '../support/running-service.ts'

const FALLBACK = DEFAULT_CONFIG.replace(
  '    id: wf_support\n',
  '    id: wf_support\n    fallback: second\n  second:\n    id: wf_second\n',
)
const GONE = { error: { message: 'gone', type: 'invalid_request_error' } }
/** Milliseconds of the first call, out of the 8 s that all calls of one mint share. */
const FIRST_TAKES_MS = 5_000

test('the call for a fallback workflow has only the time that the first call left', async () => {
  const running = await startService({ config: FALLBACK })
  const creates = () => running.upstream.requests().filter(({ path }) => path.endsWith('/sessions'))
  running.upstream.setFaults({ latency_ms: FIRST_TAKES_MS, status: 404, body: GONE, times: 1 })
  const began = performance.now()
  const answer = running.mint()
  await expect.poll(() => creates().length).toBe(1)
  running.upstream.setFaults({ hang: true })
  expectProblem(await answerOf(await answer), 504, 'upstream_timeout')
  expect(creates()).toHaveLength(2)
  // A deadline of its own would end it after 13 s.
  expect(performance.now() - began).toBeLessThan(FIRST_TAKES_MS + 7_000)
})
