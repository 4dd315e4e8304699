// Work after a step that may fail without changing its answer.
import type { Commands, Link } from './link.ts'

/**
 * Tidies up after a step. What is done already must be answered as done, even when a note about it
 * fails.
 *
 * @param link - to Redis
 * @param work - on the indexes
 */
export async function afterwards(
  link: Link,
  work: (redis: Commands) => Promise<unknown>,
): Promise<void> {
  try {
    await link.call(work)
  } catch {
    // A list is off until the next read, claim or sweep.
  }
}
