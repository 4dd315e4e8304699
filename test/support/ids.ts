// Lets tests write ids as plain text. Only tests may: in src each id comes from the parser of its kind.
import type { $brand } from 'zod'
import type { SessionId, ThreadId, UserId, WorkflowName } from '../../src/lib/ids.ts'

/** A type with plain strings wherever it has ids. */
export type Plain<T> = T extends string & $brand
  ? string
  : T extends (...args: never[]) => unknown
    ? T
    : T extends object
      ? { [K in keyof T]: Plain<T[K]> }
      : T

type PlainMethod<T> = T extends (...args: infer Args) => infer Result
  ? (...args: Plain<Args> extends infer P extends unknown[] ? P : never) => Result
  : T

/** A port whose methods take ids as plain strings. */
export type PlainPort<T> = { readonly [Method in keyof T]: PlainMethod<T[Method]> }

export const plain = <T extends object>(port: T) => port as PlainPort<T>

export const sessionId = (text: string) => text as SessionId

export const threadId = (text: string) => text as ThreadId

export const userId = (text: string) => text as UserId

export const workflowName = (text: string) => text as WorkflowName
