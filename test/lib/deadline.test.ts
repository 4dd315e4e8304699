import { expect, test } from 'vitest'
import { startDeadline } from '../../src/lib/deadline.ts'

test.each([
  ['caller_gone', new DOMException('The operation was aborted', 'AbortError')],
  ['caller_gone', new Error('left')],
  ['caller_gone', Object.assign(new Error('late'), { name: 'TimeoutError' })],
  ['timeout', new DOMException('The operation timed out', 'TimeoutError')],
])('a call has ended by %s when its caller aborts with %s', (ended, reason) => {
  const deadline = startDeadline(60_000, AbortSignal.abort(reason))
  expect(deadline.ended()).toBe(ended)
  deadline.stop()
})
