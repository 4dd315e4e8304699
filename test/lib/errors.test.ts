import { expect, test } from 'vitest'
import { z } from 'zod'
import { firstIssue, isCode, issuePaths, ServiceError } from '../../src/lib/errors.ts'

test.each([
  [z.object({ a: z.object({ b: z.string() }) }), 'a.b: Invalid input: expected string'],
  [z.string(), 'Invalid input: expected string'],
])(
  'the first member that does not fit is named, and the whole value has no name: %#',
  (schema, why) => {
    const { error } = schema.safeParse({ a: {} })
    expect(error && firstIssue(error)).toBe(
      `${why}, received ${why.startsWith('a') ? 'undefined' : 'object'}`,
    )
  },
)

test('all members that do not fit are named by their paths, and the whole value is called so', () => {
  const schema = z.object({ a: z.array(z.string()), b: z.string() })
  const paths = [{ a: ['x', 7] }, 7].map((value) => schema.safeParse(value).error)
  expect(paths.map((error) => error && issuePaths(error))).toEqual(['a.1, b', 'the whole'])
})

test('an error has one of several codes, and no other error has any', () => {
  const error = new ServiceError('not_found', { reason: 'a test' })
  expect(isCode(error, 'overloaded', 'not_found')).toBe(true)
  expect(isCode(error, 'overloaded', 'internal_error')).toBe(false)
  expect(isCode(Object.assign(new Error('x'), { code: 'not_found' }), 'not_found')).toBe(false)
})
