import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import {
  FRAME_KINDS,
  FRAMES_PER_SECOND,
  type FrameKind,
  type FrameServer,
  type ReadStream,
  readStream,
  startFrameServer,
} from '../load/frame-streams.ts'
import { cpuMicroseconds, residentMegabytes } from '../process-figures.ts'
import { atMost, type Report } from '../report/part.ts'
import { median, ratio, spread } from '../report/statistics.ts'
import { figure, table, times, withSpread } from '../report/tables.ts'
import type { Scene } from '../scene.ts'
import { type Server, startServer } from '../server.ts'

const STREAMS = 200
const SECONDS = 2
/** V8 compiles what runs for each frame; the first rounds pay for it. */
const WARM_UP_SECONDS = 4
/** For memory: `before` streams are opened first, so that their code and buffers are not counted. */
const MANY = { streams: 1000, before: 50, seconds: 3 }
/** Streams opened one after the other, in each round. */
const FIRST_BYTES = 40
const GOALS = { perFrame: 1.3, megabytes: 100, firstByteMs: 2 }

const TITLES: Readonly<Record<FrameKind, string>> = {
  text: 'text',
  widget: 'a widget with a picture, sent anew in each frame',
  pictures: 'text, and a link to a new picture in each 25th frame',
}

const minted = z.object({ client_secret: z.string() })

/** A side under measurement, and what was found. */
interface Measured {
  readonly server: Server
  readonly url: string
  /** A user each. */
  readonly secrets: readonly string[]
  readonly perFrameUs: Record<FrameKind, number[]>
  /** A median for each round. */
  readonly firstByteMs: number[]
  /** Added by {@link MANY} streams. */
  addedMegabytes: number
}

/** Compares a stream with a raw pipe of node:http and undici: CPU per frame, memory, time. */
export async function framesPart(scene: Scene): Promise<Report> {
  const { options, progress } = scene
  const frames = await startFrameServer()
  const sides: Measured[] = []
  try {
    for (const name of ['limit', 'sqlite']) sides.push(...(await serve(name, scene, frames)))
    progress(`frames: ${MANY.streams} streams`)
    for (const side of sides) side.addedMegabytes = await measureMemory(side, options.scale)
    for (let round = -1; round < options.rounds; round++) {
      progress(`frames: round ${round + 1} of ${options.rounds}`)
      await measureRound(sides, frames, { isWarmUp: round < 0, scale: options.scale })
    }
  } finally {
    await Promise.all(sides.map(({ server }) => server.end()))
    await frames.close()
  }
  return report(sides, options.rounds)
}

async function serve(name: string, scene: Scene, frames: FrameServer): Promise<Measured[]> {
  const side = scene.sides.find((one) => one.name === name)
  if (side === undefined) return []
  const server = await startServer(side, scene, { chatkitServer: frames.url })
  return [
    {
      server,
      url: `http://127.0.0.1:${server.port}/chatkit/helpdesk`,
      secrets: await secretsFor(server, scene),
      perFrameUs: { text: [], widget: [], pictures: [] },
      firstByteMs: [],
      addedMegabytes: Number.NaN,
    },
  ]
}

async function secretsFor(server: Server, { identity }: Scene): Promise<readonly string[]> {
  const requests = identity.requests('ES256', MANY.streams)
  if (server.side.store === undefined) return requests.map(() => 'none')
  const secrets: string[] = []
  for (const asked of requests) secrets.push(await mintSecret(server.port, asked))
  return secrets
}

async function mintSecret(port: number, asked: string): Promise<string> {
  const [, authorization = ''] = /^authorization: (.+)\r$/im.exec(asked) ?? []
  const answer = await fetch(`http://127.0.0.1:${port}/v1/sessions`, {
    method: 'POST',
    headers: { authorization, 'content-type': 'application/json' },
    body: JSON.stringify({ workflow: 'helpdesk' }),
  })
  return minted.parse(await answer.json()).client_secret
}

/** One kind after the other on every side, so that what disturbs a round disturbs both. */
async function measureRound(
  sides: readonly Measured[],
  frames: FrameServer,
  { isWarmUp, scale }: { readonly isWarmUp: boolean; readonly scale: number },
): Promise<void> {
  for (const kind of FRAME_KINDS) {
    frames.kind = kind
    for (const side of sides) {
      const perFrame = await measureCpu(side, kind, (isWarmUp ? WARM_UP_SECONDS : SECONDS) * scale)
      if (!isWarmUp) side.perFrameUs[kind].push(perFrame)
    }
  }
  frames.kind = 'text'
  const firstBytes = sides.map((): number[] => [])
  for (let at = 0; at < FIRST_BYTES; at++) {
    for (const [which, { url, secrets }] of sides.entries()) {
      const stream = await readStream(url, secrets[at] ?? '')
      firstBytes[which]?.push(stream.firstByteMs)
      stream.close()
    }
  }
  if (isWarmUp) return
  for (const [which, { firstByteMs }] of sides.entries()) {
    firstByteMs.push(median(firstBytes[which] ?? []))
  }
}

async function measureCpu(side: Measured, kind: FrameKind, seconds: number): Promise<number> {
  const { server } = side
  const streams = await open(side, 0, STREAMS)
  try {
    const count = () => streams.reduce((sum, stream) => sum + stream.frames(), 0)
    const [framesBefore, before] = [count(), cpuMicroseconds(server.pid)]
    await setTimeout(seconds * 1000)
    const perFrame = (cpuMicroseconds(server.pid) - before) / (count() - framesBefore)
    const isGateway = server.side.store !== undefined
    for (const { seen } of streams) {
      const isRewritten = isGateway && kind === 'widget'
      if (seen.link !== isRewritten && kind !== 'pictures') server.fail('a link is missing')
      if (isGateway && seen.picture) server.fail('an address was not rewritten')
    }
    return perFrame
  } finally {
    close(streams)
  }
}

async function measureMemory(side: Measured, scale: number): Promise<number> {
  const { pid } = side.server
  const first = await open(side, 0, MANY.before)
  await setTimeout(MANY.seconds * scale * 1000)
  const before = residentMegabytes(pid)
  const more = await open(side, MANY.before, MANY.streams)
  await setTimeout(MANY.seconds * scale * 1000)
  const added = residentMegabytes(pid) - before
  close([...first, ...more])
  return added
}

/** One after the other: many at once would add the cost of their arrival. */
async function open(
  { url, secrets }: Measured,
  from: number,
  to: number,
): Promise<readonly ReadStream[]> {
  const streams: ReadStream[] = []
  for (let at = from; at < to; at += 20) {
    const some = secrets.slice(at, Math.min(at + 20, to))
    streams.push(...(await Promise.all(some.map((secret) => readStream(url, secret)))))
  }
  return streams
}

function close(streams: readonly ReadStream[]): void {
  for (const stream of streams) stream.close()
}

function report(sides: readonly Measured[], rounds: number): Report {
  const [pipe, gateway] = sides
  const of = (side: Measured | undefined, kind: FrameKind) => side?.perFrameUs[kind] ?? []
  const ratios = FRAME_KINDS.map((kind) => ratio(of(gateway, kind), of(pipe, kind)))
  const addedMs = median(
    (gateway?.firstByteMs ?? []).map((value, at) => value - (pipe?.firstByteMs[at] ?? Number.NaN)),
  )
  const rows = FRAME_KINDS.map((kind, at) => [
    TITLES[kind],
    withSpread(spread(of(pipe, kind))),
    withSpread(spread(of(gateway, kind))),
    times(ratios[at]),
  ])
  const others = [
    [
      `memory added by ${MANY.streams} streams, MB`,
      ...sides.map((one) => figure(one.addedMegabytes)),
    ],
    ['time to the first byte, ms', ...sides.map((one) => figure(median(one.firstByteMs), 2))],
  ]
  return {
    title: 'Streams through the gateway',
    how: `A raw pipe of node:http and undici against the gateway. ${STREAMS} streams of ${FRAMES_PER_SECOND} frames a second; CPU time of the server process per frame, medians of ${rounds} interleaved rounds. Memory of a process that has had ${MANY.before} streams before. First byte: of ${FIRST_BYTES} streams a round, one after the other on a new connection each, medians.`,
    tables: [
      table(['frames', 'a raw pipe, µs', 'the gateway, µs', '× the pipe'], rows),
      table(['', 'a raw pipe', 'the gateway'], others),
    ],
    goals: [
      ...FRAME_KINDS.flatMap((kind, at) =>
        atMost(`CPU per frame, ${TITLES[kind]}, against a raw pipe`, ratios[at], [
          GOALS.perFrame,
          '×',
        ]),
      ),
      ...atMost(`memory added by ${MANY.streams} streams`, gateway?.addedMegabytes, [
        GOALS.megabytes,
        'MB',
        0,
      ]),
      ...atMost('first byte of a stream, added', addedMs, [GOALS.firstByteMs, 'ms']),
    ],
    figures: sides.map(({ server, url: _, secrets: __, ...figures }) => ({
      side: server.side.name,
      ...figures,
    })),
  }
}
