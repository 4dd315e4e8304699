import { zValidator } from '@hono/zod-validator'
import type { z } from 'zod'
import type { AppEnv, Check } from './context.ts'

/** What a schema said, for whoever refuses on it. */
export interface Validation {
  readonly success: boolean
  readonly error?: z.core.$ZodError
}

/**
 * `zValidator` as a check: behind it `c.req.valid(target)` has the result.
 *
 * @param target - what is validated
 * @param schema - a strict object, so that unknown fields are refused
 * @param refuse - throws unless the result is a success
 */
export function validator<T extends 'json' | 'query'>(
  target: T,
  schema: z.ZodType<object>,
  refuse: (result: Validation) => void,
): Check {
  const validate = zValidator<typeof schema, T, AppEnv, string, typeof refuse>(
    target,
    schema,
    refuse,
  )
  return async (c) => {
    await validate(c, goOn)
  }
}

async function goOn(): Promise<void> {}
