// Threads and their pages, as the ChatKit API spells them.

import { z } from 'zod'
import { threadItem } from './item.ts'
import { kind, orElse, orNull, pageOf, unixTime } from './wire.ts'

const reason = orNull(z.string()).describe('Why; null when no reason is recorded.')

const activeStatus = z
  .looseObject({ type: kind('active') })
  .meta({ id: 'ActiveStatus', description: 'Messages can be added.' })
const lockedStatus = z
  .looseObject({ type: kind('locked'), reason })
  .meta({ id: 'LockedStatus', description: 'Locked for the time being.' })
const closedStatus = z
  .looseObject({ type: kind('closed'), reason })
  .meta({ id: 'ClosedStatus', description: 'Closed for good.' })

/** The statuses of the reference. */
const knownThreadStatus = z.discriminatedUnion('type', [activeStatus, lockedStatus, closedStatus])

const KNOWN_STATUSES: readonly string[] = knownThreadStatus.options.map(
  ({ shape }) => shape.type.value,
)
const otherStatus = z
  .looseObject({
    type: z
      .string()
      .refine((type) => !KNOWN_STATUSES.includes(type))
      .describe('Its kind.'),
  })
  .meta({ id: 'OtherStatus', description: 'A status that is not described here.' })

const threadStatus = z
  .union([knownThreadStatus, otherStatus])
  .meta({ id: 'ThreadStatus', description: 'Whether messages can be added.' })

/** A thread belongs to its user, but the API does not check who asks for it. */
export const thread = z
  .looseObject({
    id: z.string().min(1).describe('The thread, cthr_…'),
    object: orElse(
      z.literal('chatkit.thread').describe('Always `chatkit.thread`.'),
      'chatkit.thread',
    ),
    created_at: unixTime,
    status: orElse(threadStatus, { type: 'active' }),
    title: orNull(z.string()).describe('Null until one is made.'),
    user: z.string().describe('The ChatKit user whose thread it is.'),
  })
  .meta({ id: 'Thread', description: 'A conversation of one user.' })
export type Thread = z.infer<typeof thread>

/** Answer of `GET /chatkit/threads`. */
export const threadPage = pageOf(thread).meta({ id: 'ThreadList', description: 'Threads.' })
export type ThreadPage = z.infer<typeof threadPage>

/** Answer of `GET /chatkit/threads/{id}/items`. */
export const threadItemPage = pageOf(threadItem).meta({
  id: 'ThreadItemList',
  description: 'Items of a thread.',
})
export type ThreadItemPage = z.infer<typeof threadItemPage>

/** Answer of `DELETE /chatkit/threads/{id}`. */
export const threadDeleted = z
  .looseObject({
    id: z.string().min(1).describe('The thread that was deleted.'),
    object: z.literal('chatkit.thread.deleted').describe('Always `chatkit.thread.deleted`.'),
    deleted: z.boolean().describe('Whether it is gone.'),
  })
  .meta({ id: 'ThreadDeleted', description: 'The answer to a delete.' })
export type ThreadDeleted = z.infer<typeof threadDeleted>
