// Faults of the embedded ChatKit API: the schema of `PUT /_embedded/faults`.

import { z } from 'zod'
import { commonFaults, milliseconds } from '../kit/faults.ts'

/**
 * How the next calls misbehave. Everything is optional; an empty object is good behaviour again.
 * Besides the common ones:
 *
 * - `latency_ms`: the answer is delayed, after the call has been carried out
 * - `hang` with `status` or `body`: these are sent, and the answer never ends
 * - `retry_after`: value of the header `Retry-After`: seconds or any text
 */
export const faults = commonFaults.extend({
  latency_ms: milliseconds.optional(),
  retry_after: z.union([z.int().min(0), z.string().regex(/^[\x20-\x7e]+$/)]).optional(),
})
export type Faults = z.infer<typeof faults>
