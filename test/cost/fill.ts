import { eachBounded } from '../../src/lib/concurrency.ts'
import type { Registry } from '../../src/registry/port.ts'
import { entry, NOW } from '../contracts/registry-fixtures.ts'

/** Sessions per other user. */
const EACH = 5

/** Records live sessions of other users, through the registry itself. */
export async function fill(registry: Registry, sessions: number): Promise<void> {
  const numbers = Array.from({ length: sessions }, (_, at) => at)
  await eachBounded(numbers, 50, async (at) => {
    const other = Math.floor(at / EACH)
    const of = { id: `other-${at}`, user: `other-${other}`, subject: `subject-${other}` }
    await registry.record(entry({ ...of, expiresAt: NOW + 86_400 }))
  })
}
