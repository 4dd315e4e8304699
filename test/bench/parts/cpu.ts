import type { Fleet } from '../fleet.ts'
import { once } from '../load/identity.ts'
import { type CpuFigure, measureCpu } from '../measure-cpu.ts'
import { atLeast, atMost, type Goal, type Report } from '../report/part.ts'
import { median, ratio, spread } from '../report/statistics.ts'
import { figure, table, times, withSpread } from '../report/tables.ts'
import type { Scene } from '../scene.ts'
import type { Side } from '../sides.ts'

/** Figures of one side, one per round. */
interface Found {
  readonly side: Side
  readonly warm: CpuFigure[]
  readonly cold: CpuFigure[]
}

type Kind = 'warm' | 'cold'

const SECONDS = 0.5
/** New tokens for each second of a run: more than the fastest side uses. */
const COLD_PER_SECOND = 10_000

/** CPU per mint of the limit on the machine (Node 20) that measured the sides that do not run here. */
const PUBLISHED_LIMIT_US = 74
const PUBLISHED = [
  { name: 'fastapi', title: 'FastAPI as in the official sample', microseconds: 1550, goal: 14 },
  { name: 'starter', title: 'the official starter on Next.js', microseconds: 2300, goal: 20 },
] as const

/** CPU per mint of every side, tokens seen before and new ones, upstream at 0 ms. */
export async function cpuPart(scene: Scene, fleet: Fleet): Promise<Report> {
  const { options, identity, upstream, progress } = scene
  const servers = await fleet.warmWithSeen(scene.sides)
  upstream.delayMs = 0
  const seconds = SECONDS * options.scale
  const found = servers.map(({ side }): Found => ({ side, warm: [], cold: [] }))
  for (let round = 0; round < options.rounds; round++) {
    progress(`cpu: seen tokens, round ${round + 1} of ${options.rounds}`)
    for (const [at, server] of servers.entries()) {
      found[at]?.warm.push(await measureCpu(server, { next: fleet.seen, seconds }))
    }
  }
  // Not in the same rounds: new tokens drive seen ones out of a bounded cache.
  for (let round = 0; round < options.rounds; round++) {
    progress(`cpu: new tokens, round ${round + 1} of ${options.rounds}`)
    const fresh = identity.requests('ES256', Math.ceil(COLD_PER_SECOND * seconds))
    for (const [at, server] of servers.entries()) {
      found[at]?.cold.push(await measureCpu(server, { next: once(fresh), seconds }))
    }
  }
  return report(found, options.rounds)
}

function report(found: readonly Found[], rounds: number): Report {
  const head = ['side', 'seen token, µs', '× limit', 'new token, µs', '× limit + jose', 'mints/s']
  const rows = found.map(({ side, warm, cold }) => [
    side.title,
    withSpread(spread(perMint(warm))),
    times(ratio(perMint(warm), of(found, 'limit', 'warm'))),
    withSpread(spread(perMint(cold))),
    times(ratio(perMint(cold), of(found, 'limit-jose', 'cold'))),
    figure(median(warm.map(({ mintsPerSecond }) => mintsPerSecond))),
  ])
  return {
    title: 'CPU per mint',
    how: `Closed loop of 32 connections, upstream at 0 ms, ES256; CPU time of the server process per mint. Median (least–most) of ${rounds} interleaved rounds; ratios are medians of the ratios within a round.`,
    tables: [table(head, [...rows, ...publishedRows(found)])],
    goals: goals(found),
    figures: found,
  }
}

function perMint(figures: readonly CpuFigure[]): readonly number[] {
  return figures.map(({ perMintUs }) => perMintUs)
}

function of(found: readonly Found[], name: string, kind: Kind): readonly number[] {
  return perMint(found.find(({ side }) => side.name === name)?.[kind] ?? [])
}

/** Not run here: measured on another machine, and scaled by the limit of this one. */
function publishedRows(found: readonly Found[]): string[][] {
  const limit = median(of(found, 'limit', 'warm'))
  return absent(found).map(({ title, microseconds }) => [
    `${title} (not run: ${microseconds} µs where the limit took ${PUBLISHED_LIMIT_US}, scaled)`,
    figure((microseconds / PUBLISHED_LIMIT_US) * limit),
    times(microseconds / PUBLISHED_LIMIT_US),
    ...['–', '–', '–'],
  ])
}

function absent(found: readonly Found[]) {
  return PUBLISHED.filter(({ name }) => !found.some(({ side }) => side.name === name))
}

function goals(found: readonly Found[]): readonly Goal[] {
  const limit = of(found, 'limit', 'warm')
  const against = (name: string, kind: Kind, base: readonly number[]) =>
    ratio(of(found, name, kind), base)
  const bounds = { sqlite: 2.2, redis: 2 }
  const ours = Object.entries(bounds).flatMap(([name, goal]) => {
    const value = against(name, 'warm', limit)
    return atMost(`CPU per mint, seen token, ${name}, against the limit`, value, [goal, '×'])
  })
  const cold = against('sqlite', 'cold', of(found, 'limit-jose', 'cold'))
  return [
    ...ours,
    ...atMost('CPU per mint, new token, sqlite, against the limit with jose', cold, [1.5, '×']),
    ...cheaperGoals(found),
  ]
}

function cheaperGoals(found: readonly Found[]): readonly Goal[] {
  const ours = of(found, 'sqlite', 'warm')
  const limit = of(found, 'limit', 'warm')
  const cheaper = (name: string) => ratio(of(found, name, 'warm'), ours)
  const unit = '× cheaper'
  const scaled = absent(found).flatMap(({ title, microseconds, goal }) => {
    const value = microseconds / PUBLISHED_LIMIT_US / ratio(ours, limit)
    return atLeast(`sqlite against ${title}, scaled`, value, [goal, unit, 1])
  })
  return [
    ...atLeast('sqlite against Express and the SDK', cheaper('express'), [9, unit, 1]),
    ...atLeast('sqlite against FastAPI', cheaper('fastapi'), [14, unit, 1]),
    ...scaled,
  ]
}
