// Waits for something that comes soon on an idle machine and must only come at all on a busy one.
import { vi } from 'vitest'

/** As long as `expect.poll` waits; vitest's own second is too short beside many other processes. */
export const EVENTUALLY_MS = 10_000

/**
 * Repeats a check until it passes.
 *
 * @throws what the last try threw, after {@link EVENTUALLY_MS}
 */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, EVENTUALLY_MS)
}
