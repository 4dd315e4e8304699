import type { z } from 'zod'
import { parseOrRefuse } from './api-error.ts'

/** The faults that are set on an embedded server. */
export interface FaultBox<Faults> {
  /** @throws `ApiError` 400 when they are malformed */
  set(faults: unknown): Faults
  /** The faults for a request that arrives now; counts it. */
  take(): Faults
}

/**
 * No faults are set at first.
 *
 * @param schema - of the faults; all optional, and `times` is for how many requests they hold
 */
export function createFaultBox<Faults extends { times?: number | undefined }>(
  schema: z.ZodType<Faults>,
): FaultBox<Faults> {
  const none = schema.parse({})
  let current = none
  let left = Number.POSITIVE_INFINITY
  return {
    set(value) {
      current = parseOrRefuse(schema, value)
      left = current.times ?? Number.POSITIVE_INFINITY
      return current
    },
    take() {
      if (left === 0) return none
      left -= 1
      return current
    },
  }
}
