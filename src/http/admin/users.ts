// Admin endpoints for users: revoke, list blocks, lift a block.

import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { type RevokedUser, revokeTerms } from '../../administer/revokes.ts'
import { text } from '../../chatkit/wire/wire.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { MAX_USER_CHARACTERS, parseUserId, USER_PATTERN, type UserId } from '../../lib/ids.ts'
import { presentBlock, presentList } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import { readJson } from '../body.ts'
import type { AppContext } from '../context.ts'
import { listParameters, pageOrRefusal, refuseQuery, validQuery } from '../query.ts'
import {
  blockedUntil,
  type HandlersOf,
  listOf,
  pageAnswer,
  type RouteDefinitions,
  unixTime,
} from '../route-definition.ts'

const { blockSeconds, reason } = revokeTerms.shape
const terms = {
  block_seconds: blockSeconds
    .optional()
    .describe('Seconds during which the user gets no session; 0 is no block.'),
  reason: reason.describe('For the audit.'),
}

const revokeBody = z
  .strictObject(terms)
  .meta({ id: 'RevokeTerms', description: 'The terms of a revoke. The body may be left out.' })

const aUser = text(MAX_USER_CHARACTERS)
const revokeAnyBody = z
  .union([
    z
      .strictObject({
        user: aUser
          .refine((value) => parseUserId(value) !== undefined, 'must be a possible user')
          .brand<'UserId'>()
          .meta({
            maxLength: MAX_USER_CHARACTERS,
            pattern: USER_PATTERN,
            description: 'The ChatKit user.',
          }),
        ...terms,
      })
      .meta({ id: 'RevokeByUser', description: 'Names a ChatKit user.' }),
    z
      .strictObject({
        issuer: z
          .string()
          .min(1)
          .meta({ maxLength: 2048, description: 'The `iss` of the tokens.' }),
        subject: z
          .string()
          .min(1)
          .max(255)
          .refine((value) => value.isWellFormed(), 'must be well-formed')
          .describe('The `sub` of the tokens.'),
        ...terms,
      })
      .meta({ id: 'RevokeBySubject', description: "Names a token's issuer and subject." }),
  ])
  .meta({ id: 'RevokeRequest', description: 'The user whose sessions are revoked, and the terms.' })

const blockListQuery = z.strictObject(listParameters)

const sessionIds = z.array(z.string())

const revoked = {
  status: 200,
  description: 'The revoke is durable.',
  schema: z
    .object({
      user: z.string().describe('The ChatKit user.'),
      known: z
        .boolean()
        .describe('Whether the user ever had a session; if not, look for a mistake.'),
      cancelled: sessionIds.describe('Session ids that OpenAI confirmed.'),
      cancelling: sessionIds.describe('Session ids that are retried until it does.'),
      blocked_until: blockedUntil,
    })
    .meta({ id: 'Revoked', description: 'The result of a revoke.' }),
  example: {
    user: 'https://login.acme.example/|alice',
    known: true,
    cancelled: ['cksess_68e5c1f0'],
    cancelling: [],
    blocked_until: 1_790_003_600,
  },
}

const block = z
  .object({
    user: z.string().describe('The ChatKit user.'),
    blocked_until: unixTime('Its end.'),
    reason: z.string().nullable().describe('Why; null when no reason was given.'),
    by: z.string().describe('The admin, as issuer|subject.'),
    created_at: unixTime('Its beginning.'),
  })
  .meta({ id: 'Block', description: 'A user who gets no new session for a time.' })

const blockExample = {
  user: 'https://login.acme.example/|alice',
  blocked_until: 1_790_003_600,
  reason: 'left',
  by: 'https://login.acme.example/|ada',
  created_at: 1_790_000_000,
}

const common = { checks: ['admin'], tag: 'admin' } as const
/** Describes the parameter that {@link pathUser} reads. */
export const userInPath = {
  user: aUser.meta({
    pattern: USER_PATTERN,
    description: 'The ChatKit user, percent-encoded.',
    examples: [blockExample.user],
  }),
}

export const USER_ROUTES = {
  revokeUser: {
    ...common,
    method: 'POST',
    path: '/v1/admin/users/{user}/revoke',
    summary: 'Revoke all sessions of a user',
    description: 'With `block_seconds` the user gets no new session for that time.',
    pathParameters: userInPath,
    requestBody: { schema: revokeBody, example: { block_seconds: 3600, reason: 'left' } },
    answers: [revoked],
  },
  revoke: {
    ...common,
    method: 'POST',
    path: '/v1/admin/revoke',
    summary: 'Revoke all sessions of a user or subject',
    description: 'The same, with the user or the token subject in the body.',
    requestBody: {
      schema: revokeAnyBody,
      example: { issuer: 'https://login.acme.example/', subject: 'alice', block_seconds: 3600 },
    },
    answers: [revoked],
  },
  liftBlock: {
    ...common,
    method: 'DELETE',
    path: '/v1/admin/users/{user}/block',
    summary: 'Lift a block',
    description: 'Revoked sessions stay cancelled; new ones can be minted.',
    pathParameters: userInPath,
    answers: [{ status: 204, description: 'The user is not blocked any more.' }],
  },
  listBlocks: {
    ...common,
    method: 'GET',
    path: '/v1/admin/blocks',
    summary: 'List the blocks in force',
    description: 'Newest first; the cursors are users. The audit records what admins read.',
    query: blockListQuery,
    answers: [pageAnswer(listOf(block, 'BlockList'), blockExample, blockExample.user)],
  },
} satisfies RouteDefinitions

/** Handlers of {@link USER_ROUTES}. */
export function adminUsers({
  administer,
  now,
}: {
  readonly administer: Pick<Administer, 'revokeUser' | 'revokeSubject' | 'liftBlock' | 'listBlocks'>
  readonly now: Clock
}): HandlersOf<typeof USER_ROUTES> {
  return {
    async revokeUser(c) {
      const { block_seconds: seconds = 0, ...body } = await readJson(c, revokeBody)
      refuseQuery(c)
      const command = { user: pathUser(c), blockSeconds: seconds, ...body }
      return c.json(presentRevoked(await administer.revokeUser(adminRequest(c), command)))
    },
    async revoke(c) {
      const { block_seconds: seconds = 0, ...body } = await readJson(c, revokeAnyBody)
      refuseQuery(c)
      const command = { blockSeconds: seconds, ...body }
      const done =
        'user' in command
          ? await administer.revokeUser(adminRequest(c), command)
          : await administer.revokeSubject(adminRequest(c), command)
      return c.json(presentRevoked(done))
    },
    async liftBlock(c) {
      refuseQuery(c)
      await administer.liftBlock(adminRequest(c), pathUser(c))
      return c.body(null, 204)
    },
    async listBlocks(c) {
      const asked = { ...validQuery(c, blockListQuery), now: unixSeconds(now) }
      const page = pageOrRefusal(await administer.listBlocks(adminRequest(c), asked))
      return c.json(presentList(page, presentBlock, ({ user }) => user))
    },
  }
}

function presentRevoked({ user, known, cancelled, cancelling, blockedUntil }: RevokedUser) {
  return { user, known, cancelled, cancelling, blocked_until: blockedUntil ?? null }
}

/**
 * The user in the path, percent-decoded by the router.
 *
 * @throws `invalid_request`
 */
export function pathUser(c: AppContext): UserId {
  const user = parseUserId(c.req.param('user'))
  if (user !== undefined) return user
  throw new ServiceError('invalid_request', {
    reason: 'a user that cannot exist',
    detail: 'The user in the path must have 1 to 512 characters, none of them a control character.',
  })
}
