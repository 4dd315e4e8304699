// An instance in a process of its own, on a SQLite file that others use too. Its upstream calls go to
// the parent, which has the scheduler.
import { flushCompileCache } from 'node:module'
import { UnusableSessionError } from '../../src/chatkit/port.ts'
import { endedSession, issuedSession } from '../../src/chatkit/wire/session.ts'
import { type ErrorCode, ServiceError } from '../../src/lib/errors.ts'
import type { NewEntry } from '../../src/registry/records.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createInstance, type Perform } from './instance.ts'
import type { FromInstance, Reply, ToInstance } from './messages.ts'

const registry = createSqliteRegistry({ path: process.argv[2] ?? '' })
const performs = new Map<string, Perform>()
const waiting = new Map<number, (reply: Reply<unknown>) => void>()
let nowMs = 0
let calls = 0

function say(message: FromInstance): void {
  process.send?.(message)
}

type Call = Omit<Extract<FromInstance, { type: 'call' }>, 'type' | 'id'>

async function call(what: Call): Promise<unknown> {
  const id = ++calls
  const answered = new Promise<Reply<unknown>>((resolve) => waiting.set(id, resolve))
  say({ type: 'call', id, ...what })
  const reply = await answered
  if ('ok' in reply) return reply.ok
  if (reply.sessionId !== undefined) throw new UnusableSessionError('fault', reply.sessionId)
  throw new ServiceError(reply.error as ErrorCode, { reason: 'fault' })
}

function performWith(cap: NewEntry['cap']): Perform {
  const key = JSON.stringify(cap)
  const known = performs.get(key)
  if (known !== undefined) return known
  const made = createInstance({
    registry,
    chatkit: (deed) => ({
      createSession: async (params) => issuedSession.parse(await call({ deed, params })),
      cancelSession: async (cancel) => endedSession.nullable().parse(await call({ deed, cancel })),
    }),
    cap,
    now: () => nowMs,
    pause: async () => {},
  })
  performs.set(key, made)
  return made
}

async function carryOut(message: Extract<ToInstance, { type: 'order' }>): Promise<void> {
  const { id, order, deed, cap } = message
  try {
    say({ type: 'done', id, reply: { ok: await performWith(cap)(order, deed) } })
  } catch (error) {
    const code = error instanceof ServiceError ? error.code : String(error)
    say({ type: 'done', id, reply: { error: code } })
  }
}

process.on('message', (message: ToInstance) => {
  nowMs = Math.max(nowMs, message.nowMs)
  if (message.type === 'order') void carryOut(message)
  else waiting.get(message.id)?.(message.reply)
})
process.on('disconnect', () => process.exit(0))
// It never ends by itself, which is when compiled code would be kept.
flushCompileCache()
say({ type: 'ready' })
