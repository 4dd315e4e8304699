import { describe, expect, it } from 'vitest'
import { groupedScript } from '../../../src/registry/redis/keys.ts'
import type { Script } from '../../../src/registry/redis/link/client.ts'
import { type Args, createGroups } from '../../../src/registry/redis/link/groups.ts'

const ONE = groupedScript('return 1')
const OTHER = groupedScript('return 2')

/** Groups whose commands are kept; each call gets its first argument as the reply. */
function groups(
  reply = async (_: Script, calls: readonly Args[]): Promise<unknown[]> =>
    calls.map(([first]) => first),
) {
  const sent: (readonly [Script, readonly Args[]])[] = []
  const call = createGroups((script, calls) => {
    sent.push([script, calls])
    return reply(script, calls)
  })
  return { call, sent }
}

describe('calls of one turn of the event loop', () => {
  it('are one command for each script, and each call gets its own reply', async () => {
    const { call, sent } = groups()
    expect(await Promise.all([call(ONE, ['a']), call(OTHER, ['b', 1]), call(ONE, ['c'])])).toEqual([
      'a',
      'b',
      'c',
    ])
    expect(sent).toEqual([
      [ONE, [['a'], ['c']]],
      [OTHER, [['b', 1]]],
    ])
  })

  it('are two commands when they are more than 32', async () => {
    const { call, sent } = groups()
    const names = Array.from({ length: 40 }, (_, at) => `call ${at}`)
    expect(await Promise.all(names.map((name) => call(ONE, [name])))).toEqual(names)
    expect(sent.map(([, calls]) => calls.length)).toEqual([32, 8])
  })

  it('fail alone when one of them fails', async () => {
    const { call } = groups(async () => [new Error('damaged'), 'done'])
    const [first, second] = await Promise.allSettled([call(ONE, ['a']), call(ONE, ['b'])])
    expect(first).toMatchObject({ status: 'rejected', reason: { message: 'damaged' } })
    expect(second).toEqual({ status: 'fulfilled', value: 'done' })
  })

  it('fail together when their command fails, and the calls of the next turn are not among them', async () => {
    let fails = true
    const { call, sent } = groups(async (_, calls) => {
      if (fails) throw new Error('no answer')
      return calls.map(() => 'done')
    })
    const failed = await Promise.allSettled([call(ONE, ['a']), call(ONE, ['b'])])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    fails = false
    expect(await call(ONE, ['c'])).toBe('done')
    expect(sent.map(([, calls]) => calls)).toEqual([[['a'], ['b']], [['c']]])
  })
})
