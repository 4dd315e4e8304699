// The orders an instance can be given, and the deeds: one record per order with its times and outcome.

import type { SessionId, UserId } from '../../src/lib/ids.ts'
import { Secret } from '../../src/lib/secret.ts'
import type { SessionToMint } from '../../src/mint/mint.ts'
import type { Caller } from '../../src/mint/standing.ts'
import { signInOf } from '../../src/registry/identity.ts'
import { workflowName } from '../support/ids.ts'

export const ISSUER = 'https://idp.example/'

/** As in the settings: tokens of the one issuer may be logged out. */
export const ISSUERS = [{ issuer: ISSUER, logout: { clientIds: [], algorithms: [] } }]

/** A command for an instance; plain data, so that it can be sent to a process. */
export type Order =
  | {
      readonly kind: 'mint'
      readonly user: UserId
      readonly sid: string | undefined
      /** The token's `iat`. */
      readonly issuedAt: number | undefined
      readonly seconds: number
      /** The client secret the caller says it holds. */
      readonly current: string | undefined
      /** The caller leaves at some moment. */
      readonly leaves: boolean
      /** A backend with an API key creates it; then there is no token, and nothing of one. */
      readonly byKey: boolean
    }
  | { readonly kind: 'revoke'; readonly user: UserId; readonly blockSeconds: number }
  | { readonly kind: 'lift'; readonly user: UserId }
  | { readonly kind: 'sign_out'; readonly user: UserId }
  | { readonly kind: 'cancel'; readonly session: SessionId; readonly byKey: boolean }
  | {
      readonly kind: 'logout'
      readonly user: string | undefined
      readonly sid: string | undefined
      readonly issuedAt: number
    }
  | { readonly kind: 'outbox' }
  | { readonly kind: 'sweep' }

/** Result of an order, as far as the instance reports one. */
export interface Result {
  /** Set by a mint. */
  readonly minted?: { readonly session: SessionId; readonly secret: string }
  /** Set by a revoke. */
  readonly blockedUntil?: number | undefined
  /** Set by a cancel: whether the session was in the registry. */
  readonly known?: boolean
  /** Set by a confirmed cancel by key. */
  readonly status?: 'active' | 'expired' | 'cancelled'
}

/** One order and its result; `begun`, `createdAt` and `ended` give the order of events. */
export interface Deed<K extends Order['kind'] = Order['kind']> {
  readonly id: number
  readonly instance: number
  readonly order: Extract<Order, { kind: K }>
  readonly begun: number
  /** When the upstream saw its create; undefined when it saw none. */
  createdAt: number | undefined
  /** A crash ends what was under way. */
  ended: number | undefined
  /** Undefined when it was refused, has crashed or is under way. */
  result: Result | undefined
  error: string | undefined
}

/** Whether a deed is of this kind; its order then has the fields of the kind. */
export function isOf<K extends Order['kind']>(kind: K) {
  return (deed: Deed): deed is Deed<K> & Deed => deed.order.kind === kind
}

/** A mint's two arguments, as `http/` makes them of a request. The workflow's name says whose deed it is. */
export function mintOrder(
  order: Extract<Order, { kind: 'mint' }>,
  workflow: string,
): { readonly caller: Caller; readonly asked: SessionToMint } {
  const { user, sid, issuedAt, seconds, current } = order
  return {
    caller: {
      user,
      identity: { issuer: ISSUER, subject: user, sid: signInOf(user, sid) },
      tokenIssuedAt: issuedAt,
    },
    asked: {
      workflow: { name: workflowName(workflow), kind: 'hosted' },
      params: {
        user,
        workflow: { id: 'wf_race' },
        expires_after: { anchor: 'created_at', seconds },
      },
      currentSecret: current === undefined ? undefined : new Secret(current),
    },
  }
}
