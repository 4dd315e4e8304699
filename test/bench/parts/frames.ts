import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import {
  FRAMES_PER_SECOND,
  type FrameServer,
  readStream,
  startFrameServer,
} from '../load/frame-streams.ts'
import { cpuMicroseconds } from '../process-figures.ts'
import { atMost, type Report } from '../report/part.ts'
import { ratio, spread } from '../report/statistics.ts'
import { table, times, withSpread } from '../report/tables.ts'
import type { Scene } from '../scene.ts'
import { type Server, startServer } from '../server.ts'

const STREAMS = 200
const SECONDS = 3
/** V8 compiles what runs for each frame; the first rounds pay for it. */
const WARM_UP_SECONDS = 4
const GOAL = 1.35

const minted = z.object({ client_secret: z.string() })

/** CPU per streamed frame: a raw pipe of node:http and undici, and the gateway. */
export async function framesPart(scene: Scene): Promise<Report> {
  const { options, progress } = scene
  const frames = await startFrameServer()
  const servers: Server[] = []
  const perFrameUs: number[][] = [[], []]
  try {
    for (const name of ['limit', 'sqlite']) servers.push(...(await serverOf(name, scene, frames)))
    const secrets: (readonly string[])[] = []
    for (const server of servers) secrets.push(await secretsFor(server, scene))
    for (let round = -1; round < options.rounds; round++) {
      progress(`frames: round ${round + 1} of ${options.rounds}`)
      const seconds = (round < 0 ? WARM_UP_SECONDS : SECONDS) * options.scale
      for (const [at, server] of servers.entries()) {
        const figure = await measure(server, secrets[at] ?? [], seconds)
        if (round >= 0) perFrameUs[at]?.push(figure)
      }
    }
  } finally {
    await Promise.all(servers.map((server) => server.end()))
    await frames.close()
  }
  return report(perFrameUs, options.rounds)
}

async function serverOf(name: string, scene: Scene, frames: FrameServer) {
  const side = scene.sides.find((one) => one.name === name)
  return side === undefined ? [] : [await startServer(side, scene, { chatkitServer: frames.url })]
}

async function measure(server: Server, secrets: readonly string[], seconds: number) {
  const url = `http://127.0.0.1:${server.port}/chatkit/helpdesk`
  const streams = await Promise.all(secrets.map((secret) => readStream(url, secret)))
  try {
    const seen = () => streams.reduce((sum, stream) => sum + stream.frames(), 0)
    const [framesBefore, before] = [seen(), cpuMicroseconds(server.pid)]
    await setTimeout(seconds * 1000)
    return (cpuMicroseconds(server.pid) - before) / (seen() - framesBefore)
  } finally {
    for (const stream of streams) stream.close()
  }
}

async function secretsFor(server: Server, { identity }: Scene): Promise<readonly string[]> {
  const requests = identity.requests('ES256', STREAMS)
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

function report(perFrameUs: readonly (readonly number[])[], rounds: number): Report {
  const [pipe = [], gateway = []] = perFrameUs
  const value = ratio(gateway, pipe)
  return {
    title: 'CPU per streamed frame',
    how: `${STREAMS} streams of ${FRAMES_PER_SECOND} frames a second; CPU time of the server process per frame, medians of ${rounds} interleaved rounds.`,
    tables: [
      table(
        ['side', 'µs', '× the pipe'],
        [
          ['a raw pipe: node:http, undici', withSpread(spread(pipe)), times(1)],
          ['**chatkit-mint**, the gateway', withSpread(spread(gateway)), times(value)],
        ],
      ),
    ],
    goals: atMost('CPU per streamed frame, against a raw pipe', { value, goal: GOAL, unit: '×' }),
    figures: { pipe, gateway },
  }
}
