import { describe, expect, it } from 'vitest'
import type { InstanceMinute, IntervalQuery } from '../../src/registry/interval-figures.ts'
import { NOW, type Suite } from './registry-fixtures.ts'

/** The beginning of a five-minute interval. */
const START = NOW - (NOW % 300)

const minute = (of: Partial<InstanceMinute> = {}): InstanceMinute => ({
  instance: 'ins_1',
  at: START,
  mints: 0,
  refusals: {},
  upstream: [],
  activeSessions: undefined,
  ...of,
})

/** addFigures, readFigures. */
export function intervalFiguresSuite(suite: Suite): void {
  const { registry } = suite
  const read = (of: Partial<IntervalQuery> = {}) =>
    registry.readFigures({ seconds: 60, from: START, until: START + 3600, ...of })

  describe('figures of all instances', () => {
    it('are the sum of all, by minutes and by five minutes', async () => {
      const slow = { le: Number.POSITIVE_INFINITY, count: 1 }
      await registry.addFigures(
        minute({
          mints: 3,
          refusals: { rate_limited: 2 },
          upstream: [{ le: 10, count: 1 }, { le: 0.25, count: 4 }, slow],
          activeSessions: 7,
        }),
      )
      await registry.addFigures(
        minute({
          instance: 'ins_2',
          mints: 40,
          refusals: { rate_limited: 1, user_blocked: 5 },
          upstream: [{ le: 0.25, count: 1 }, slow],
          activeSessions: 8,
        }),
      )
      await registry.addFigures(minute({ at: START + 240, mints: 100 }))
      const refusals = { rate_limited: 3, user_blocked: 5 }
      const upstream = [
        { le: 0.25, count: 5 },
        { le: 10, count: 1 },
        { le: Number.POSITIVE_INFINITY, count: 2 },
      ]
      const first = { at: START, mints: 43, refusals, upstream, activeSessions: 8 }
      const instances = expect.toSatisfy((names: readonly string[]) => {
        return names.toSorted().join() === 'ins_1,ins_2'
      })
      expect(await read()).toEqual([
        { ...first, instances },
        { ...minute({ at: START + 240, mints: 100 }), instance: undefined, instances: ['ins_1'] },
      ])
      expect(await read({ seconds: 300 })).toEqual([{ ...first, instances, mints: 143 }])
    })

    it('do not change when a minute is written again, even with other counts', async () => {
      const first = minute({ mints: 3, activeSessions: 7 })
      await registry.addFigures(first)
      const [before, byFive] = [await read(), await read({ seconds: 300 })]
      for (const again of [first, { ...first, mints: 9, activeSessions: 1 }]) {
        await registry.addFigures(again)
        expect(await read()).toEqual(before)
        expect(await read({ seconds: 300 })).toEqual(byFive)
      }
    })

    it('name the instance of a minute in which nothing happened', async () => {
      await registry.addFigures(minute())
      expect(await read()).toEqual([{ ...minute(), instance: undefined, instances: ['ins_1'] }])
    })

    it('have the number of live sessions written last, and keep it when an instance has none', async () => {
      await registry.addFigures(minute({ activeSessions: 7 }))
      await registry.addFigures(minute({ instance: 'ins_2', activeSessions: 0 }))
      expect(await read()).toMatchObject([{ activeSessions: 0 }])
      await registry.addFigures(minute({ instance: 'ins_3' }))
      expect(await read()).toMatchObject([{ activeSessions: 0 }])
    })

    it('are oldest first, from `from` until before `until`, without intervals in which none wrote', async () => {
      for (const later of [600, 0, 60, 180])
        await registry.addFigures(minute({ at: START + later }))
      const times = async (of: Partial<IntervalQuery>) =>
        (await read(of)).map(({ at }) => at - START)
      expect(await times({})).toEqual([0, 60, 180, 600])
      expect(await times({ from: START + 60, until: START + 180 })).toEqual([60])
      expect(await times({ from: START + 60, until: START + 240 })).toEqual([60, 180])
      expect(await times({ seconds: 300 })).toEqual([0, 600])
      expect(await times({ from: START + 660 })).toEqual([])
    })

    it('lose nothing when instances write at the same time', async () => {
      const instances = await suite.instances()
      const writes = instances.flatMap((one, at) =>
        [0, 60, 120].map((later) =>
          one.addFigures(
            minute({ instance: `ins_${at}`, at: START + later, mints: 10, refusals: { x: 1 } }),
          ),
        ),
      )
      await Promise.all(writes)
      expect(await read({ seconds: 300 })).toMatchObject([{ mints: 90, refusals: { x: 9 } }])
      expect((await read()).map(({ mints, instances: names }) => [mints, names.length])).toEqual([
        [30, 3],
        [30, 3],
        [30, 3],
      ])
    })
  })
}
