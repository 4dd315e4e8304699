// The types of a request's context in Hono, and what checks leave in it.

import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { Principal } from '../authenticate/claims.ts'
import type { UpstreamCall } from '../chatkit/port.ts'
import type { ApiKeySettings } from '../config/settings.ts'
import type { UserId } from '../lib/ids.ts'
import type { MemoryBudget } from '../lib/shares/memory-budget.ts'

/** Facts about a request, for its line in the access log, metrics and traces. No secrets. */
export interface RequestFacts {
  /** A hash; see `startUserHash`. */
  user?: string | undefined
  workflow?: string
  session?: string
  upstream?: UpstreamCall
}

/** Names and values of an answer's headers. */
export type AnswerHeaders = Record<string, string>

/** Hono's types of this service. */
export interface AppEnv {
  Bindings: HttpBindings
  Variables: {
    requestId: string
    /** Headers of the coming answer; see `setHeader`. */
    headers: AnswerHeaders
    /** The answer, when it has all its headers: `answerText` made it, or a stream has sent them. */
    wholeAnswer: Response
    facts: RequestFacts
    /** For answers that are read. */
    memory: MemoryBudget
    /** The caller; set by `requireUser`. */
    principal: Principal
    /** The caller's ChatKit user; set by `requireUser`, `requireAdmin`, console, gateway and mints of backends. */
    user: UserId
    /** `issuer|subject`; set by `requireAdmin`. */
    admin: string
    /** The API key of a backend; set by `requireBackend`. */
    apiKey: ApiKeySettings
    /** The workflows that the caller may introspect, undefined for all; set by `requireIntrospector`. */
    introspects: readonly string[] | undefined
  }
}

export type AppContext = Context<AppEnv>

/** Refuses a request by throwing, or lets it through and leaves what it found in `c.var`. */
export type Check = (c: AppContext) => Promise<void> | void
