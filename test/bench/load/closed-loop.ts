import { type Answer, openConnection } from './connection.ts'

export interface ClosedRun {
  readonly mints: number
  /** Answers that were no mint, by status. */
  readonly failures: ReadonlyMap<number, number>
  readonly seconds: number
}

export interface ClosedLoop {
  readonly port: number
  /** The next request; undefined ends the loop. */
  readonly next: () => string | undefined
  readonly connections: number
  readonly seconds: number
}

/**
 * Keeps this number of connections busy: each sends its next request when its answer has come, and its first one also
 * when a busy machine has let the time pass before. Good for the cost of a request and for capacity; useless for
 * latency, as it waits together with the server.
 */
export function runClosedLoop({
  port,
  next,
  connections,
  seconds,
}: ClosedLoop): Promise<ClosedRun> {
  const failures = new Map<number, number>()
  const began = performance.now()
  const until = began + seconds * 1000
  let mints = 0
  const count = ({ minted, status }: Answer) => {
    if (minted) mints++
    else failures.set(status, (failures.get(status) ?? 0) + 1)
  }
  return new Promise((resolve) => {
    let busy = connections
    const worker = () => {
      let connection = openConnection(port)
      const step = (isInTime: boolean) => {
        const request = isInTime ? next() : undefined
        if (request === undefined) {
          connection.close()
          busy--
          if (busy === 0) resolve({ mints, failures, seconds: (performance.now() - began) / 1000 })
          return
        }
        connection.send(request, (answer) => {
          count(answer)
          if (!connection.usable()) connection = openConnection(port)
          const again = () => step(performance.now() < until)
          // Not from within the answer's own event: a broken connection must not recurse.
          if (answer.status === 0) setTimeout(again, 5)
          else again()
        })
      }
      step(true)
    }
    for (let at = 0; at < connections; at++) worker()
  })
}
