import { expect, test } from 'vitest'
import { z } from 'zod'
import { firstIssue } from '../../src/lib/errors.ts'

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
