import type { Fleet } from '../fleet.ts'
import { ALGORITHMS, type Algorithm, once } from '../load/identity.ts'
import { measureCpu } from '../measure-cpu.ts'
import type { Report } from '../report/part.ts'
import { ratio, spread } from '../report/statistics.ts'
import { table, times, withSpread } from '../report/tables.ts'
import { type Scene, sidesFor } from '../scene.ts'
import type { Side } from '../sides.ts'

interface Found {
  readonly side: Side
  readonly perMintUs: Record<Algorithm, number[]>
}

const SIDES = { quick: ['limit-jose', 'memory'], full: ['limit-jose', 'memory', 'sqlite', 'hono'] }
/** ES256 stands in the main table. */
const OTHERS = ALGORITHMS.filter((alg) => alg !== 'ES256')
const SECONDS = 0.3
/** Signing RS256 takes the load's core ten times as long as verifying takes the server's. */
const TOKENS_PER_SECOND = 5000

/** CPU per mint with new tokens of each algorithm. */
export async function algorithmsPart(scene: Scene, fleet: Fleet): Promise<Report> {
  const { options, upstream, progress } = scene
  const servers = await fleet.warm(sidesFor(scene, SIDES))
  upstream.delayMs = 0
  const seconds = SECONDS * options.scale
  const found = servers.map(({ side }): Found => ({ side, perMintUs: noFigures() }))
  for (let round = -1; round < options.rounds; round++) {
    progress(round < 0 ? 'algorithms: first tokens' : `algorithms: round ${round + 1}`)
    for (const alg of OTHERS) {
      const fresh = scene.identity.requests(alg, Math.ceil(TOKENS_PER_SECOND * seconds))
      for (const [at, server] of servers.entries()) {
        const { perMintUs } = await measureCpu(server, { next: once(fresh), seconds })
        // The first round compiles.
        if (round >= 0) found[at]?.perMintUs[alg].push(perMintUs)
      }
    }
  }
  return report(found, options.rounds)
}

function noFigures(): Record<Algorithm, number[]> {
  return { ES256: [], RS256: [], EdDSA: [], HS256: [] }
}

function report(found: readonly Found[], rounds: number): Report {
  const base = found.find(({ side }) => side.name === 'limit-jose')?.perMintUs ?? noFigures()
  const cell = (values: readonly number[], alg: Algorithm) =>
    `${withSpread(spread(values))} · ${times(ratio(values, base[alg]))}`
  const rows = found.map(({ side, perMintUs }) => [
    side.title,
    ...OTHERS.map((alg) => cell(perMintUs[alg], alg)),
  ])
  return {
    title: 'CPU per mint with new tokens, by algorithm',
    how: `As above, each token new: µs, median (least–most) of ${rounds} rounds · ratio to the limit with jose.`,
    tables: [table(['side', ...OTHERS], rows)],
    goals: [],
    figures: found,
  }
}
