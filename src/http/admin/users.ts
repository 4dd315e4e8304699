// Admin endpoints for users: revoke, list blocks, lift a block.

import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { revokeTerms } from '../../administer/revokes.ts'
import { text } from '../../chatkit/wire/wire.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { MAX_USER_CHARACTERS, parseUserId, type UserId } from '../../lib/ids.ts'
import { presentBlock, presentList, presentRevoked } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import { readJson } from '../body.ts'
import type { AppContext } from '../context.ts'
import { listParameters, pageOrRefusal, refuseQuery, validQuery } from '../query.ts'
import { type HandlersOf, listOf, pageAnswer, type RouteDefinitions } from '../route-definition.ts'

const { blockSeconds, reason } = revokeTerms.shape
const terms = { block_seconds: blockSeconds.optional(), reason }

const revokeBody = z.strictObject(terms)

/** Names a ChatKit user, or a token's issuer and subject. */
const revokeAnyBody = z.union([
  z.strictObject({
    user: text(MAX_USER_CHARACTERS)
      .refine((value) => parseUserId(value) !== undefined, 'must be a possible user')
      .brand<'UserId'>(),
    ...terms,
  }),
  z.strictObject({
    issuer: z.string().min(1),
    subject: z
      .string()
      .min(1)
      .max(255)
      .refine((value) => value.isWellFormed(), 'must be well-formed'),
    ...terms,
  }),
])

const blockListQuery = z.strictObject(listParameters)

const revoked = {
  status: 200,
  description: 'Durable.',
  schema: z.object({
    user: z.string(),
    cancelled: z.array(z.string()).describe('Session ids that OpenAI confirmed.'),
    cancelling: z.array(z.string()).describe('Session ids that are retried until it does.'),
    blocked_until: z.int().nullable(),
  }),
  example: {
    user: 'https://login.acme.example/|alice',
    cancelled: ['cksess_68e5c1f0'],
    cancelling: [],
    blocked_until: 1_790_003_600,
  },
}

const block = z.object({
  user: z.string(),
  blocked_until: z.int().describe('Unix seconds.'),
  reason: z.string().nullable(),
  by: z.string().describe('The admin, as issuer|subject.'),
  created_at: z.int(),
})

const blockExample = {
  user: 'https://login.acme.example/|alice',
  blocked_until: 1_790_003_600,
  reason: 'left',
  by: 'https://login.acme.example/|ada',
  created_at: 1_790_000_000,
}

const common = { checks: ['admin'], tag: 'admin' } as const
/** Describes the parameter that {@link pathUser} reads. */
export const userInPath = { user: 'The ChatKit user, percent-encoded.' }

export const USER_ROUTES = {
  revokeUser: {
    ...common,
    method: 'POST',
    path: '/v1/admin/users/{user}/revoke',
    summary: 'Take back all sessions of a user',
    description: 'With `block_seconds` the user gets no new ones for so long.',
    pathParameters: userInPath,
    requestBody: { schema: revokeBody, example: { block_seconds: 3600, reason: 'left' } },
    answers: [revoked],
  },
  revoke: {
    ...common,
    method: 'POST',
    path: '/v1/admin/revoke',
    summary: 'Take back all sessions of a user or subject',
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
    description: 'Sessions that were taken back stay so; new ones can be minted.',
    pathParameters: userInPath,
    answers: [{ status: 204, description: 'There is no block any more.' }],
  },
  listBlocks: {
    ...common,
    method: 'GET',
    path: '/v1/admin/blocks',
    summary: 'List blocks that hold',
    description: 'Newest first; the cursors are users. What admins read is in the audit.',
    query: blockListQuery,
    answers: [pageAnswer(listOf(block), blockExample, blockExample.user)],
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
