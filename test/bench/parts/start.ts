import { setTimeout } from 'node:timers/promises'
import { atMost, type Report } from '../report/part.ts'
import { median, spread } from '../report/statistics.ts'
import { table, withSpread } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import { startServer } from '../server.ts'
import type { Side } from '../sides.ts'

interface Found {
  readonly side: Side
  readonly milliseconds: number[]
}

const SIDES = {
  quick: ['limit', 'sqlite'],
  full: ['limit', 'memory', 'sqlite', 'redis', 'hono', 'express', 'fastapi'],
}

/** Ours keeps its compiled code for the next start one second after it listens. */
const KEPT_AFTER_MS = 1500

/** From the start of the process to its first minted secret. */
export async function startPart(scene: Scene): Promise<Report> {
  const { options, progress } = scene
  const found = sidesFor(scene, SIDES).map((side): Found => ({ side, milliseconds: [] }))
  scene.upstream.delayMs = 0
  // As after the first start of an installation: the very first, which compiles everything, is slower.
  for (const { side } of found.filter(({ side }) => side.store !== undefined)) {
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
  return {
    title: 'Start of the process to the first minted secret',
    how: `Asked every millisecond or so; the key set has to be fetched; a new store. Median (least–most) of ${options.rounds} interleaved rounds.`,
    tables: [
      table(
        ['side', 'ms'],
        found.map(({ side, milliseconds }) => [side.title, withSpread(spread(milliseconds))]),
      ),
    ],
    goals: found
      .filter(({ side }) => side.name === 'sqlite')
      .flatMap(({ milliseconds }) =>
        atMost('start to the first mint, sqlite', {
          value: median(milliseconds),
          goal: 200,
          unit: 'ms',
          digits: 0,
        }),
      ),
    figures: found,
  }
}
