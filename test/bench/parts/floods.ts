import { FLOODS, startFloodScene } from '../../floods/floods.ts'
import { atMost, type Report } from '../report/part.ts'
import { median } from '../report/statistics.ts'
import { figure, table, times } from '../report/tables.ts'
import type { Scene } from '../scene.ts'

const GOAL = 3

/** Measures thirty users who mint while another one floods the service in each of eight ways. */
export async function floodsPart({ options, progress, failures }: Scene): Promise<Report> {
  const floods = await startFloodScene()
  const found: { name: string; aloneMs: number; floodedMs: number; minted: number }[] = []
  try {
    for (const name of FLOODS) {
      progress(`floods: ${name}`)
      const rounds = []
      for (let round = 0; round < options.rounds; round++) rounds.push(await floods.measure(name))
      const statuses = rounds.flatMap(({ flooded }) => flooded.statuses)
      const refused = statuses.filter((status) => status !== 200)
      if (refused.length > 0) failures.push(`floods, ${name}: ${[...new Set(refused)].join(', ')}`)
      found.push({
        name,
        aloneMs: median(rounds.map(({ alone }) => alone.medianMs)),
        floodedMs: median(rounds.map(({ flooded }) => flooded.medianMs)),
        minted: (statuses.length - refused.length) / statuses.length,
      })
    }
  } finally {
    await floods.close()
  }
  const head = ['one user’s flood', 'alone, ms', 'meanwhile, ms', '× alone', 'minted']
  const rows = found.map(({ name, aloneMs, floodedMs, minted }) => [
    name,
    figure(aloneMs),
    figure(floodedMs),
    times(floodedMs / aloneMs),
    `${figure(100 * minted)} %`,
  ])
  return {
    title: 'Mints of thirty users during floods by another one',
    how: `Default limits, an upstream that takes 100 ms; medians of thirty mints, ten at a time, and of ${options.rounds} rounds.`,
    tables: [table(head, rows)],
    goals: found.flatMap(({ name, aloneMs, floodedMs }) =>
      atMost(`mints during ${name}`, floodedMs / aloneMs, [GOAL, '×']),
    ),
    figures: found,
  }
}
