// An instance in a child process that a crash kills; this side passes orders and upstream calls on.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { UnusableSessionError } from '../../src/chatkit/port.ts'
import type { IssuedSession } from '../../src/chatkit/wire/session.ts'
import { type ErrorCode, ServiceError } from '../../src/lib/errors.ts'
import { sessionId } from '../support/ids.ts'
import { PREPARED } from '../support/service-process.ts'
import type { FromInstance, Reply, ToInstance } from './messages.ts'
import type { Order, Result } from './orders.ts'
import type { StartInstance, Surroundings } from './world.ts'

const ENTRY = fileURLToPath(new URL('./instance-process.ts', import.meta.url))

/** Starts an instance in a process of its own, again after each crash. */
export interface OwnProcess {
  readonly start: StartInstance
  close(): Promise<void>
}

/**
 * An instance in a process of its own, which a crash kills with SIGKILL. Its upstream calls wait for their turn here;
 * its calls of the store run at any time.
 */
export function inOwnProcess(path: string): OwnProcess {
  let child: Child | undefined
  return {
    start(surroundings) {
      if (!child?.runs()) child = startChild(path)
      const { kill } = child
      return { perform: child.serve(surroundings), kill }
    },
    close: async () => child?.kill(),
  }
}

interface Child {
  runs(): boolean
  /** From now on its upstream calls are of this world. */
  serve(surroundings: Surroundings): (order: Order, deed: string) => Promise<Result>
  kill(): Promise<void>
}

function startChild(path: string): Child {
  const process = fork(ENTRY, [path], { execArgv: [...PREPARED] })
  const ready = new Promise<void>((resolve) => process.once('message', () => resolve()))
  const waiting = new Map<number, (reply: Reply<Result>) => void>()
  let surroundings: Surroundings | undefined
  let orders = 0

  process.on('message', (message: FromInstance) => {
    if (message.type === 'done') waiting.get(message.id)?.(message.reply)
    if (message.type === 'call' && surroundings) void answer(process, message, surroundings)
  })

  return {
    runs: () => process.connected,
    serve(given) {
      surroundings = given
      return async (order, deed) => {
        await given.turn(order.kind)
        const id = ++orders
        const done = new Promise<Reply<Result>>((resolve) => waiting.set(id, resolve))
        await ready
        send(process, { type: 'order', id, order, deed, cap: given.cap, nowMs: given.now() })
        const reply = await done
        if ('ok' in reply) return reply.ok
        throw new ServiceError(reply.error as ErrorCode, { reason: 'as the process said' })
      }
    },
    async kill() {
      if (process.exitCode !== null || process.signalCode !== null) return
      const exited = once(process, 'exit')
      process.kill('SIGKILL')
      await exited
    },
  }
}

async function answer(
  process: ChildProcess,
  { id, deed, params, cancel }: Extract<FromInstance, { type: 'call' }>,
  { chatkit, now }: Surroundings,
): Promise<void> {
  const client = chatkit(deed)
  try {
    const ok = params
      ? onTheWire(await client.createSession(params))
      : await client.cancelSession(cancel ?? sessionId(''))
    send(process, { type: 'answer', id, reply: { ok }, nowMs: now() })
  } catch (error) {
    const code = error instanceof ServiceError ? error.code : String(error)
    const sessionId = error instanceof UnusableSessionError ? error.sessionId : undefined
    send(process, { type: 'answer', id, reply: { error: code, sessionId }, nowMs: now() })
  }
}

function onTheWire({ client_secret, ...rest }: IssuedSession) {
  return { ...rest, client_secret: client_secret.reveal() }
}

function send(process: ChildProcess, message: ToInstance): void {
  if (process.connected) process.send(message)
}
