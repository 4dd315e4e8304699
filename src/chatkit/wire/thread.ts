// Threads and their pages, as the ChatKit API spells them.

import { z } from 'zod'
import { threadItem } from './item.ts'
import { pageOf } from './wire.ts'

const activeStatus = z.looseObject({ type: z.literal('active') })
const lockedStatus = z.looseObject({ type: z.literal('locked'), reason: z.string().nullable() })
const closedStatus = z.looseObject({ type: z.literal('closed'), reason: z.string().nullable() })

/** The statuses of the reference; `reason` is null when none is recorded. */
const knownThreadStatus = z.discriminatedUnion('type', [activeStatus, lockedStatus, closedStatus])

const KNOWN_STATUSES: readonly string[] = knownThreadStatus.options.map(
  ({ shape }) => shape.type.value,
)
const otherStatus = z.looseObject({
  type: z.string().refine((type) => !KNOWN_STATUSES.includes(type)),
})

/** A thread. It has no secrets, but it is its user's: the API itself does not check who asks. */
export const thread = z.looseObject({
  id: z.string().min(1),
  object: z.literal('chatkit.thread'),
  /** Unix seconds. */
  created_at: z.number(),
  status: z.union([knownThreadStatus, otherStatus]),
  /** Null until one is made. */
  title: z.string().nullable(),
  user: z.string(),
})
/** {@link thread} */
export type Thread = z.infer<typeof thread>

/** Answer of `GET /chatkit/threads`. */
export const threadPage = pageOf(thread)
/** {@link threadPage} */
export type ThreadPage = z.infer<typeof threadPage>

/** Answer of `GET /chatkit/threads/{id}/items`. */
export const threadItemPage = pageOf(threadItem)
/** {@link threadItemPage} */
export type ThreadItemPage = z.infer<typeof threadItemPage>

/** Answer of `DELETE /chatkit/threads/{id}`. */
export const threadDeleted = z.looseObject({
  id: z.string().min(1),
  object: z.literal('chatkit.thread.deleted'),
  deleted: z.boolean(),
})
/** {@link threadDeleted} */
export type ThreadDeleted = z.infer<typeof threadDeleted>
