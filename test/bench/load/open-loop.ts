import { type Answer, type Connection, openConnection } from './connection.ts'
import type { NextRequest } from './identity.ts'

/** A request of an open loop and how it ended. */
export interface Timed extends Answer {
  /** When it should have left, in milliseconds since the loop began. */
  readonly dueMs: number
  /** From then to its answer, so that the wait for a stalled server counts. */
  readonly latencyMs: number
}

export interface OpenRun {
  readonly answers: readonly Timed[]
  /** Requests that had no answer when the loop gave up waiting. */
  readonly unanswered: number
  /** Delay of each request although a connection was free: the load generator's own slowness. */
  readonly lateMs: readonly number[]
}

export interface OpenLoop {
  readonly port: number
  readonly next: NextRequest
  readonly perSecond: number
  readonly seconds: number
  /** When all of these are busy, requests wait, and their time runs. */
  readonly maxConnections: number
  /** After that a request that waits for a connection is given up, in milliseconds; never when absent. */
  readonly patienceMs?: number
}

/** Sleeping is exact to a millisecond or two; before that the loop spins. */
const SPIN_MS = 2.5
const GIVE_UP_MS = 10_000

/**
 * Sends requests at times that were fixed beforehand (a Poisson process), whatever the server does.
 * Latency counts from those times.
 */
export function runOpenLoop(options: OpenLoop): Promise<OpenRun> {
  const { next, perSecond, seconds } = options
  const due = schedule(perSecond, seconds)
  const answers: Timed[] = []
  const lateMs: number[] = []
  const began = performance.now()
  const clock = () => performance.now() - began
  const senders = createSenders(options)
  let sent = 0
  const sendDue = () => {
    for (let dueMs = due[sent]; dueMs !== undefined && dueMs <= clock(); dueMs = due[sent]) {
      sent++
      const at = dueMs
      const request = next()
      if (request === undefined) throw new Error('the load has no more requests')
      lateMs.push(clock() - at)
      senders.send(request, (answer) => {
        answers.push({ ...answer, dueMs: at, latencyMs: clock() - at })
      })
    }
  }
  return new Promise((resolve, reject) => {
    const finish = () => {
      senders.close()
      resolve({ answers: [...answers], unanswered: sent - answers.length, lateMs })
    }
    const tick = () => {
      try {
        sendDue()
      } catch (error) {
        senders.close()
        reject(error)
        return
      }
      const nextMs = due[sent]
      if (nextMs !== undefined) {
        const wait = nextMs - clock()
        if (wait > SPIN_MS) setTimeout(tick, wait - SPIN_MS)
        else setImmediate(tick)
      } else if (answers.length === sent || clock() > seconds * 1000 + GIVE_UP_MS) finish()
      else setTimeout(tick, 5)
    }
    tick()
  })
}

function schedule(perSecond: number, seconds: number): readonly number[] {
  const due: number[] = []
  for (let at = 0; at < seconds * 1000; ) {
    due.push(at)
    at += (-Math.log(1 - Math.random()) * 1000) / perSecond
  }
  return due
}

interface Senders {
  send(request: string, done: (answer: Answer) => void): void
  close(): void
}

interface Waiting {
  readonly request: string
  readonly done: (answer: Answer) => void
  readonly since: number
}

const GIVEN_UP: Answer = { status: 0, minted: false, heldMs: 0 }

/** Connections that are taken as they become free, the last used first. */
function createSenders(options: OpenLoop): Senders {
  const { port, maxConnections, patienceMs = Number.POSITIVE_INFINITY } = options
  const idle: Connection[] = []
  const all = new Set<Connection>()
  const waiting: Waiting[] = []
  let taken = 0
  const free = () => {
    for (let found = idle.pop(); found; found = idle.pop()) {
      if (found.usable()) return found
      all.delete(found)
    }
    if (all.size >= maxConnections) return undefined
    const fresh = openConnection(port)
    all.add(fresh)
    return fresh
  }
  const firstWaiting = () => {
    for (let first = waiting[taken]; first; first = waiting[taken]) {
      taken++
      if (performance.now() - first.since <= patienceMs) return first
      first.done(GIVEN_UP)
    }
    return undefined
  }
  const sendOn = (connection: Connection, request: string, done: (answer: Answer) => void) => {
    connection.send(request, (answer) => {
      done(answer)
      if (connection.usable()) idle.push(connection)
      else all.delete(connection)
      const first = firstWaiting()
      if (first !== undefined) assign(first)
    })
  }
  const assign = (one: Waiting) => {
    const connection = free()
    if (connection) sendOn(connection, one.request, one.done)
    else waiting.push(one)
  }
  return {
    send: (request, done) => assign({ request, done, since: performance.now() }),
    close() {
      for (const connection of all) connection.close()
    },
  }
}
