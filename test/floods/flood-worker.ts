import { connect } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { openConnection } from '../bench/load/connection.ts'

/** The flood of one user, which runs in its own thread. */
export interface FloodOrders {
  readonly port: number
  /** Whole HTTP requests; each connection begins with another one and goes on with the next. */
  readonly requests: readonly string[]
  readonly connections: number
  /** Milliseconds between an answer and the next request. */
  readonly pauseMs: number
  /** Milliseconds between two bytes of the body; the whole body at once when absent. */
  readonly dripMs?: number
}

const { port, requests, connections, pauseMs, dripMs } = workerData as FloodOrders

/** Statuses of the answers, reported from time to time: a message for each answer would cost more than the flood. */
const met = new Set<number>()
setInterval(() => parentPort?.postMessage([...met]), 50)

function repeat(at: number): void {
  let number = at
  let connection = openConnection(port)
  const send = (): void => {
    if (!connection.usable()) connection = openConnection(port)
    connection.send(requests[number++ % requests.length] ?? '', ({ status }) => {
      met.add(status)
      setTimeout(send, pauseMs)
    })
  }
  send()
}

function drip(at: number, everyMs: number): void {
  const request = requests[at % requests.length] ?? ''
  const body = request.indexOf('\r\n\r\n') + 4
  const socket = connect(port, '127.0.0.1')
  socket.write(request.slice(0, body))
  let sent = body
  const timer = setInterval(() => socket.write(request[sent++] ?? ' '), everyMs)
  socket.resume()
  socket.on('error', () => undefined)
  socket.on('close', () => {
    clearInterval(timer)
    setTimeout(drip, pauseMs, at, everyMs)
  })
}

for (let at = 0; at < connections; at++) dripMs === undefined ? repeat(at) : drip(at, dripMs)
