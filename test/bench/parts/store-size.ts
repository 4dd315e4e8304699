import { join } from 'node:path'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { fillSqlite } from '../../support/registry/fill-sqlite.ts'
import { warmUp } from '../fleet.ts'
import { repeat } from '../load/identity.ts'
import { measureCpu } from '../measure-cpu.ts'
import { atMost, type Report } from '../report/part.ts'
import { median, ratio, spread } from '../report/statistics.ts'
import { table, times, withSpread } from '../report/tables.ts'
import type { Scene } from '../scene.ts'
import { type Server, startServer } from '../server.ts'

const SECONDS = 0.6
const SIZES = { full: [1000, 1_000_000], quick: [1000, 100_000] }

/** CPU per mint beside few and many live sessions of other users, in SQLite. */
export async function storeSizePart(scene: Scene): Promise<Report> {
  const { options, progress, upstream, identity } = scene
  const sizes = options.quick ? SIZES.quick : SIZES.full
  const servers: Server[] = []
  const perMintUs = sizes.map((): number[] => [])
  try {
    for (const size of sizes) servers.push(...(await serverBeside(size, scene)))
    const next = repeat(identity.requests('ES256', 2000))
    upstream.delayMs = 0
    for (let round = 0; round < options.rounds; round++) {
      progress(`store size: round ${round + 1} of ${options.rounds}`)
      for (const [at, server] of servers.entries()) {
        const figure = await measureCpu(server, { next, seconds: SECONDS * options.scale })
        perMintUs[at]?.push(figure.perMintUs)
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.end()))
  }
  return report(sizes, perMintUs, options.rounds)
}

async function serverBeside(sessions: number, scene: Scene): Promise<readonly Server[]> {
  const side = scene.sides.find(({ name }) => name === 'sqlite')
  if (side === undefined) return []
  scene.progress(`store size: filling with ${sessions} sessions`)
  const database = join(scene.newFolder('filled'), 'chatkit-mint.db')
  await createSqliteRegistry({ path: database }).close()
  fillSqlite(database, sessions, Math.floor(Date.now() / 1000))
  const server = await startServer(side, scene, { database })
  await warmUp(server, scene)
  return [server]
}

function report(
  sizes: readonly number[],
  perMintUs: readonly (readonly number[])[],
  rounds: number,
): Report {
  const few = perMintUs[0] ?? []
  const many = perMintUs[1] ?? []
  const rows = sizes.map((size, at) => [
    size.toLocaleString('en'),
    withSpread(spread(perMintUs[at] ?? [])),
    times(ratio(perMintUs[at] ?? [], few)),
  ])
  const value = ratio(many, few)
  return {
    title: 'CPU per mint by live sessions in the store',
    how: `SQLite; closed loop as above, seen tokens, ${rounds} interleaved rounds; median of the ratios ${Number.isNaN(value) ? '–' : value.toFixed(2)}, ratio of the medians ${(median(many) / median(few)).toFixed(2)}.`,
    tables: [table(['live sessions of other users', 'µs', '× the first'], rows)],
    goals: atMost(
      `mint beside ${sizes[1]?.toLocaleString('en')} sessions against ${sizes[0]?.toLocaleString('en')}`,
      value,
      [1.1, '×'],
    ),
    figures: { sizes, perMintUs },
  }
}
