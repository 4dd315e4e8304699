// Asks a ChatKit server in its own protocol, in this service's name and on behalf of a user.

import type { Dispatcher } from 'undici'
import type { z } from 'zod'
import type { Clock } from '../../lib/clock.ts'
import { type Deadline, startDeadline } from '../../lib/deadline.ts'
import { issuePaths, ServiceError } from '../../lib/errors.ts'
import { createBulkhead, LANE } from '../bulkhead.ts'
import { CALL_DEADLINE_MS, type CallOptions, type ChatKitOperation, LANE_SLOTS } from '../port.ts'
import { type RequestType, saysNothing } from '../protocol/request.ts'
import {
  MAX_ANSWER_BYTES,
  openServerCall,
  readJsonAnswer,
  type ServerCall,
  statusFault,
} from '../protocol/server-call.ts'
import { serverFault } from '../protocol/server-fault.ts'
import { createServerIdentity } from '../signing/server-token.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'

/** A request of the protocol whose answer is JSON. */
export interface Question {
  readonly type: RequestType
  readonly params: object
  /** When true, a 400 means that the client's cursor is wrong. */
  readonly hasCursor?: boolean
}

/** Asks the server as `user`; the answer is read with `schema`, when there is one. */
export interface Ask {
  (user: string, question: Question): Promise<unknown>
  <S extends z.ZodType>(user: string, question: Question, schema: S): Promise<z.infer<S>>
}

/** Runs one operation of the port: one deadline for all its requests, and one call of `observe`. */
export type AskServer = <T>(
  operation: ChatKitOperation,
  call: CallOptions | undefined,
  run: (ask: Ask) => Promise<T>,
) => Promise<T>

interface Seen {
  status: number | undefined
  requestId: string | undefined
  attempts: number
}

/** @param options - `publicUrl` names this service to the server, as the token's issuer */
export function createAskServer({
  workflow,
  publicUrl,
  keys,
  dispatcher,
  now,
}: {
  readonly workflow: ServerCall['workflow']
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly dispatcher: Dispatcher
  readonly now: Clock
}): AskServer {
  const { server } = workflow
  const identity = createServerIdentity({ publicUrl, keys, now })
  const bulkhead = createBulkhead(LANE)
  const inShare = createShares()
  const send = async (
    user: string,
    question: Question,
    { deadline, seen, hold }: { deadline: Deadline; seen: Seen; hold: CallOptions['hold'] },
  ) => {
    const { type, params } = question
    const headers = {
      ...identity(server, { user }),
      'content-type': 'application/json',
      accept: 'application/json',
    }
    seen.attempts++
    seen.status = seen.requestId = undefined
    const body = JSON.stringify({ type, params })
    const request = { workflow, url: server, method: 'POST', headers, body, deadline } as const
    const reply = await openServerCall(dispatcher, request)
    seen.status = reply.status
    seen.requestId = reply.requestId
    if (reply.status === 400 && question.hasCursor) {
      reply.body.destroy()
      const reason = 'the server refuses the cursor'
      throw new ServiceError('invalid_request', { reason, upstream: 'self-hosted' })
    }
    if (reply.status >= 300) throw statusFault(reply)
    const mayBeEmpty = saysNothing(type)
    const bounds = { maxBytes: MAX_ANSWER_BYTES, hold: addTo(hold), mayBeEmpty }
    return (await readJsonAnswer(reply, deadline, bounds)).parse
  }
  const inTurn = async (...asked: Parameters<typeof send>) => {
    if (!bulkhead.take()) await bulkhead.wait(asked[2].deadline)
    return send(...asked).finally(bulkhead.free)
  }
  return async (operation, call, run) => {
    const started = performance.now()
    const seen: Seen = { status: undefined, requestId: undefined, attempts: 0 }
    const deadline = startDeadline(CALL_DEADLINE_MS, call?.signal)
    try {
      if (call?.signal?.aborted) throw call.signal.reason
      const ask: Ask = async (user: string, question: Question, schema?: z.ZodType) => {
        const context = { deadline, seen, hold: call?.hold }
        const parse = await inShare(call?.caller, deadline, () => inTurn(user, question, context))
        const value = () => (schema === undefined ? parse() : read(schema, parse()))
        return call?.work === undefined ? value() : call.work(value)
      }
      return await run(ask)
    } catch (error) {
      throw call?.signal?.aborted ? call.signal.reason : error
    } finally {
      deadline.stop()
      call?.observe?.({ operation, ...seen, milliseconds: performance.now() - started })
    }
  }
}

/** One caller's share of the lane: a list asks for up to eight threads at a time, and a caller may read many lists. */
const SHARE = { ...LANE, slots: LANE_SLOTS / 2 }

function createShares() {
  /** By caller, while requests of theirs are under way. */
  const shares = new Map<string, { bulkhead: ReturnType<typeof createBulkhead>; asked: number }>()
  return async <T>(caller: string | undefined, deadline: Deadline, ask: () => Promise<T>) => {
    if (caller === undefined) return ask()
    const share = shares.get(caller) ?? { bulkhead: createBulkhead(SHARE), asked: 0 }
    shares.set(caller, share)
    share.asked++
    try {
      if (!share.bulkhead.take()) await share.bulkhead.wait(deadline)
      return await ask().finally(share.bulkhead.free)
    } finally {
      if (--share.asked === 0) shares.delete(caller)
    }
  }
}

/** `readBounded` reports the bytes held in all; `hold` wants only those added since. */
function addTo(hold: CallOptions['hold']) {
  let held = 0
  return (bytes: number): void => {
    hold?.(bytes - held)
    held = bytes
  }
}

function read<S extends z.ZodType>(schema: S, json: unknown): z.infer<S> {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const where = issuePaths(result.error)
  throw serverFault('upstream_invalid_response', `differs from the ChatKit protocol at: ${where}`)
}
