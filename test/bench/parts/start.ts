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

/** Most times as long as the smallest server of its libraries: in a checkout, and in the image. */
const MOST_TIMES: Readonly<Record<string, number>> = { sqlite: 1.5, image: 1.3 }

/** Ours keeps its compiled code for the next start one second after it listens. */
const KEPT_AFTER_MS = 1500

/** From the start of the process to its first minted secret. */
export async function startPart(scene: Scene): Promise<Report> {
  const { options, progress } = scene
  const found = [LEAST_START, ...sidesFor(scene, SIDES), ...scene.image()].map(
    (side): Found => ({ side, milliseconds: [] }),
  )
  scene.upstream.delayMs = 0
  // As after the first start of an installation: the very first, which compiles everything, is slower.
  const keeping = found.filter(({ side }) => side === LEAST_START || side.store !== undefined)
  for (const { side } of keeping) {
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
  return report(found, options.rounds)
}

function report(found: readonly Found[], rounds: number): Report {
  const least = found.find(({ side }) => side === LEAST_START)?.milliseconds ?? []
  const rows = found.map(({ side, milliseconds }) => [
    side.title,
    withSpread(spread(milliseconds)),
    times(ratio(milliseconds, least)),
  ])
  return {
    title: 'Start of the process to the first minted secret',
    how: `Asked every millisecond or so; the key set has to be fetched; a new store. Median (least–most) of ${rounds} interleaved rounds; ratios are medians of the ratios within a round. The image is made by the steps of the Dockerfile in an empty folder.`,
    tables: [table(['side', 'ms', '× plain Hono, jose, undici'], rows)],
    goals: found.flatMap(({ side, milliseconds }) =>
      atMost(
        `start against plain Hono, jose, undici, ${side.name}`,
        side.name in MOST_TIMES ? ratio(milliseconds, least) : undefined,
        [MOST_TIMES[side.name] ?? Number.NaN, '×'],
      ),
    ),
    figures: found,
  }
}
