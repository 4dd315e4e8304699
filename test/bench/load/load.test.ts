import type { RequestListener } from 'node:http'
import { expect, onTestFinished, test } from 'vitest'
import { serve } from '../../support/network/listen.ts'
import { runClosedLoop } from './closed-loop.ts'
import { mintRequest } from './connection.ts'
import { once, repeat } from './identity.ts'
import { runOpenLoop } from './open-loop.ts'

// Checks that the load counts only real mints, and loses no request.

const REQUEST = mintRequest('token')
const MINTED = '{"client_secret":"ek_00000001_1500"}'

async function portOf(listener: RequestListener): Promise<number> {
  const { port, close } = await serve(listener)
  onTestFinished(close)
  return port
}

/** Answers in turns: a mint, a mint in chunks, a refusal, a 200 without a secret, none at all. */
function inTurns(): RequestListener {
  let number = 0
  return (_request, response) => {
    switch (number++ % 5) {
      case 0:
        response.end(MINTED)
        return
      case 1:
        response.write(MINTED.slice(0, 10))
        response.end(MINTED.slice(10))
        return
      case 2:
        response.writeHead(503).end('{}')
        return
      case 3:
        response.end('{"client_secret":null}')
        return
      default:
        response.destroy()
    }
  }
}

test('a closed loop counts mints, refusals, answers without a secret and broken connections', async () => {
  const port = await portOf(inTurns())
  const next = once(Array.from({ length: 25 }, () => REQUEST))
  const { mints, failures } = await runClosedLoop({ port, next, connections: 3, seconds: 30 })
  expect(mints).toBe(10)
  expect(Object.fromEntries(failures)).toEqual({ 0: 5, 200: 5, 503: 5 })
})

test('a closed loop whose time is over at once has sent one request on each connection', async () => {
  const port = await portOf((_request, response) => void response.end(MINTED))
  const load = { port, next: repeat([REQUEST]), connections: 3 }
  expect(await runClosedLoop({ ...load, seconds: 0 })).toMatchObject({ mints: 3 })
})

test('an open loop answers for every request, with what the upstream held it for', async () => {
  const port = await portOf(inTurns())
  const load = { port, next: repeat([REQUEST]), perSecond: 500, seconds: 0.2, maxConnections: 50 }
  const { answers, unanswered, lateMs } = await runOpenLoop(load)
  expect(unanswered).toBe(0)
  expect(answers.length).toBe(lateMs.length)
  const minted = answers.filter((answer) => answer.minted)
  expect(minted.length).toBe(Math.ceil(answers.length / 5) + Math.ceil((answers.length - 1) / 5))
  expect(new Set(minted.map(({ heldMs }) => heldMs))).toEqual(new Set([1.5]))
  expect(answers.every(({ latencyMs }) => latencyMs > 0)).toBe(true)
})

test('whoever waits too long for a connection is given up, and counted', async () => {
  const port = await portOf(
    (_request, response) => void setTimeout(() => response.end(MINTED), 100),
  )
  const load = { port, next: repeat([REQUEST]), perSecond: 300, seconds: 0.1, maxConnections: 1 }
  const patient = await runOpenLoop({ ...load, perSecond: 50 })
  expect(patient.answers.every(({ minted }) => minted)).toBe(true)
  const hasty = await runOpenLoop({ ...load, patienceMs: 50 })
  const givenUp = hasty.answers.filter(({ status }) => status === 0)
  expect(givenUp.length).toBeGreaterThan(0)
  expect(hasty.unanswered).toBe(0)
})
