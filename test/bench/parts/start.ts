import { setTimeout } from 'node:timers/promises'
import { atMost, type Report } from '../report/part.ts'
import { ratio, spread } from '../report/statistics.ts'
import { table, times, withSpread } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import { startServer } from '../server.ts'
import { LEAST_START, type Side } from '../sides.ts'

interface Found {
  readonly side: Side
  readonly milliseconds: number[]
}

const SIDES = {
  quick: ['limit', 'sqlite'],
  full: ['limit', 'memory', 'sqlite', 'redis', 'hono', 'express', 'fastapi'],
}

/** How many times as long as the least server of its libraries ours may take, in a checkout. */
const MOST_TIMES = 1.5

/** Ours keeps its compiled code for the next start one second after it listens. */
const KEPT_AFTER_MS = 1500

/** From the start of the process to its first minted secret. */
export async function startPart(scene: Scene): Promise<Report> {
  const { options, progress } = scene
  const found = [LEAST_START, ...sidesFor(scene, SIDES)].map(
    (side): Found => ({ side, milliseconds: [] }),
  )
  scene.upstream.delayMs = 0
  // As after the first start of an installation: the very first, which compiles everything, is slower.
  for (const { side } of found.filter(
    ({ side }) => side === LEAST_START || side.store !== undefined,
  )) {
    const server = await startServer(side, scene)
    await setTimeout(KEPT_AFTER_MS)
    await server.end()
  }
  for (let round = 0; round < options.rounds; round++) {
    progress(`start: round ${round + 1} of ${options.rounds}`)
    for (const { side, milliseconds } of found) {
      const server = await startServer(side, scene)
      milliseconds.push(server.firstMintMs)
      await server.end()
    }
  }
  const timesLeast = (milliseconds: readonly number[]) =>
    ratio(milliseconds, found[0]?.milliseconds ?? [])
  return {
    title: 'Start of the process to the first minted secret',
    how: `Asked every millisecond or so; the key set has to be fetched; a new store. Median (least–most) of ${options.rounds} interleaved rounds; ratios are medians of the ratios within a round.`,
    tables: [
      table(
        ['side', 'ms', '× plain Hono, jose, undici'],
        found.map(({ side, milliseconds }) => [
          side.title,
          withSpread(spread(milliseconds)),
          times(timesLeast(milliseconds)),
        ]),
      ),
    ],
    goals: found
      .filter(({ side }) => side.name === 'sqlite')
      .flatMap(({ milliseconds }) =>
        atMost('start to the first mint, sqlite', {
          value: timesLeast(milliseconds),
          goal: MOST_TIMES,
          unit: '× plain Hono, jose, undici',
        }),
      ),
    figures: found,
  }
}
