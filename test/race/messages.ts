// The messages between the test and an instance in a process of its own.

import type { CreateSessionParams } from '../../src/chatkit/wire/session.ts'
import type { SessionId } from '../../src/lib/ids.ts'
import type { NewEntry } from '../../src/registry/records.ts'
import type { Order, Result } from './orders.ts'

/** An answer, or the code of the error instead of one. */
export type Reply<T> =
  | { readonly ok: T }
  | { readonly error: string; readonly sessionId?: SessionId | undefined }

/** A message to an instance in its own process. Each message brings the time. */
export type ToInstance = { readonly nowMs: number } & (
  | {
      readonly type: 'order'
      readonly id: number
      readonly order: Order
      readonly deed: string
      readonly cap: NewEntry['cap']
    }
  /** The upstream's answer to a call, as it goes on the wire. */
  | { readonly type: 'answer'; readonly id: number; readonly reply: Reply<unknown> }
)

/** A message from such an instance. */
export type FromInstance =
  | { readonly type: 'ready' }
  | { readonly type: 'done'; readonly id: number; readonly reply: Reply<Result> }
  /** A call of the upstream. */
  | {
      readonly type: 'call'
      readonly id: number
      readonly deed: string
      readonly params?: CreateSessionParams
      /** The session to cancel. */
      readonly cancel?: SessionId
    }
