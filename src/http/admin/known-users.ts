// The admin endpoint that lists and finds users.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { MAX_USER_CHARACTERS } from '../../lib/ids.ts'
import { presentKnownUser, presentList } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import type { AppEnv } from '../context.ts'
import { listParameters, pageOrRefusal, validQuery } from '../query.ts'
import {
  blockedUntil,
  listOf,
  pageAnswer,
  type RouteDefinitions,
  unixTime,
} from '../route-definition.ts'

const { limit, after } = listParameters

/** Has no `order`: last seen first, or in the order of names. */
const userListQuery = z.strictObject({
  limit,
  after,
  q: z
    .string()
    .refine((value) => [...value].length <= MAX_USER_CHARACTERS)
    .meta({ maxLength: MAX_USER_CHARACTERS })
    .optional()
    .describe(
      'The beginning of a user or of a subject. Upper and lower case are alike; `%` and `_` are literal. ' +
        'Empty is the same as absent.',
    ),
})

const knownUser = z
  .object({
    user: z.string().describe('The ChatKit user.'),
    issuer: z.string().describe('The issuer of the token; `key:<id>` for a user of a backend.'),
    subject: z.string().describe('The subject of the token; the user for a user of a backend.'),
    last_seen: unixTime('When a session was last minted, to the minute.'),
    live_sessions: z.int().min(0).describe('Sessions that are active now.'),
    blocked_until: blockedUntil,
  })
  .meta({ id: 'User', description: 'A user who has had a session.' })

const example = {
  user: 'https://login.acme.example/|alice',
  issuer: 'https://login.acme.example/',
  subject: 'alice',
  last_seen: 1_790_000_000,
  live_sessions: 2,
  blocked_until: null,
}

export const KNOWN_USER_ROUTES = {
  listUsers: {
    method: 'GET',
    path: '/v1/admin/users',
    checks: ['admin'],
    summary: 'Find users',
    description:
      'Users who have had a session, last seen first; with `q` in the order of their names. The cursors are ' +
      'users. The audit records what admins read.',
    tag: 'admin',
    query: userListQuery,
    answers: [pageAnswer(listOf(knownUser, 'UserList'), example, example.user)],
  },
} satisfies RouteDefinitions

export function listUsers({
  administer,
  now,
}: {
  readonly administer: Pick<Administer, 'listUsers'>
  readonly now: Clock
}): Handler<AppEnv> {
  return async (c) => {
    const { q, ...list } = validQuery(c, userListQuery)
    const asked = { ...list, q: q === '' ? undefined : q, now: unixSeconds(now) }
    const page = pageOrRefusal(await administer.listUsers(adminRequest(c), asked))
    return c.json(presentList(page, presentKnownUser, ({ user }) => user))
  }
}
