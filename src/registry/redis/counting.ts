// Rate-limit counters in Redis. While Redis is away they run in memory.
import { createCounters, mintCounter, stateAfterUse, stateWithoutUse } from '../counters.ts'
import type { Registry } from '../port.ts'
import { CONSUME } from './index-scripts.ts'
import { single } from './keys.ts'
import type { Link } from './link.ts'
import { beginMint, toRate } from './standing.ts'

/**
 * Counters, alone and together with what a mint asks. While Redis is away they run in memory: they
 * limit, and never decide about a block.
 *
 * @param link - to Redis
 */
export function createCounting(link: Link): Pick<Registry, 'consume' | 'peek' | 'beginMint'> {
  const insurance = createCounters()
  return {
    async consume(key, limit) {
      const name = single.counter(key)
      const args = [limit.nowMs, limit.seconds * 1000]
      try {
        const counted = await link.call((redis) => redis.run(CONSUME, [name], args))
        return toRate(counted, limit, stateAfterUse)
      } catch {
        return insurance.consume(key, limit)
      }
    },
    async peek(key, limit) {
      const name = single.counter(key)
      try {
        const counted = await link.call((redis) => redis.send(name, 'GET', name))
        if (counted === null) return stateWithoutUse(0, limit.nowMs, limit)
        return toRate(counted, limit, stateWithoutUse)
      } catch {
        return insurance.peek(key, limit)
      }
    },
    async beginMint(question, limit) {
      try {
        return await link.call((redis) => beginMint(redis, question, limit))
      } catch {
        const rate = insurance.consume(mintCounter(question.user), limit)
        return { rate, standing: undefined }
      }
    },
  }
}
