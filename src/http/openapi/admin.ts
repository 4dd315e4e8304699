import { z } from 'zod'
import { auditListQuery } from '../admin/audit.ts'
import { sessionListQuery } from '../admin/sessions.ts'
import { blockListQuery, revokeAnyBody, revokeBody } from '../admin/users.ts'
import { ANYWHERE, type Answer, AUTHENTICATION, BODY, type Operation } from './operation.ts'

/** A session as admins see it. */
export const session = z
  .object({
    id: z.string(),
    object: z.literal('chatkit_mint.session'),
    user: z.string(),
    workflow: z.string(),
    status: z.enum(['active', 'expired', 'cancelling', 'cancelled']),
    created_at: z.int().describe('Unix seconds.'),
    expires_at: z.int().describe('Unix seconds.'),
    issuer: z.string(),
    subject: z.string(),
  })
  .describe('Never holds the client secret.')

const block = z.object({
  user: z.string(),
  blocked_until: z.int().describe('Unix seconds.'),
  reason: z.string().nullable(),
  by: z.string().describe('The admin, as issuer|subject.'),
  created_at: z.int(),
})

/** An entry of the audit trail. */
export const auditEntry = z.object({
  id: z.string(),
  at: z.int().describe('Unix seconds.'),
  actor: z.string().describe('issuer|subject'),
  action: z.string(),
  user: z.string().nullable(),
  outcome: z.enum(['ok', 'refused', 'failed']),
  reason: z.string().nullable(),
  request_id: z.string().nullable(),
})

const revoked = z.object({
  user: z.string(),
  cancelled: z.array(z.string()).describe('Session ids that OpenAI confirmed.'),
  cancelling: z.array(z.string()).describe('Session ids that are retried until it does.'),
  blocked_until: z.int().nullable(),
})

const sessionExample = {
  id: 'cksess_68e5c1f0',
  object: 'chatkit_mint.session',
  user: 'https://login.acme.example/|alice',
  workflow: 'support',
  status: 'active',
  created_at: 1_790_000_000,
  expires_at: 1_790_000_600,
  issuer: 'https://login.acme.example/',
  subject: 'alice',
}

const blockExample = {
  user: 'https://login.acme.example/|alice',
  blocked_until: 1_790_003_600,
  reason: 'left',
  by: 'https://login.acme.example/|ada',
  created_at: 1_790_000_000,
}

const auditExample = {
  id: 'aud_01k5ZQ',
  at: 1_790_000_000,
  actor: 'https://login.acme.example/|ada',
  action: 'revoke',
  user: 'https://login.acme.example/|alice',
  outcome: 'ok',
  reason: 'left',
  request_id: 'req_5mVqOa8hTDQkqTPVqgbNfw',
}

const revokedExample = {
  user: 'https://login.acme.example/|alice',
  cancelled: ['cksess_68e5c1f0'],
  cancelling: [],
  blocked_until: 1_790_003_600,
}

function pageOf(entry: unknown, cursor: string) {
  return { object: 'list', data: [entry], first_id: cursor, last_id: cursor, has_more: false }
}

function listOf(entry: z.ZodType): z.ZodType {
  return z.object({
    object: z.literal('list'),
    data: z.array(entry),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
}

function page(schema: z.ZodType, example: unknown): Answer {
  return { status: 200, description: 'A page.', schema, example }
}

/** What every call of an admin can come to. */
export const ADMIN = [
  ...ANYWHERE,
  ...AUTHENTICATION,
  'admin_required',
  'store_unavailable',
] as const satisfies Operation['problems']

const common = { tag: 'admin', security: ['adminToken'], problems: ADMIN } as const
const user = { user: 'The ChatKit user, percent-encoded.' }
const id = { id: 'The session, cksess_…' }
const AUDITED = 'What admins read is in the audit trail.'

/** The admin endpoints; they exist when the config has `admins`. */
export const ADMIN_OPERATIONS: readonly Operation[] = [
  {
    ...common,
    path: '/v1/admin/sessions',
    method: 'get',
    operationId: 'listSessions',
    summary: 'List sessions',
    description: `Newest first. ${AUDITED}`,
    query: sessionListQuery,
    answers: [page(listOf(session), pageOf(sessionExample, sessionExample.id))],
  },
  {
    ...common,
    path: '/v1/admin/sessions/{id}',
    method: 'get',
    operationId: 'readSession',
    summary: 'Read a session',
    description: AUDITED,
    pathParameters: id,
    answers: [
      { status: 200, description: 'The session.', schema: session, example: sessionExample },
    ],
  },
  {
    ...common,
    path: '/v1/admin/sessions/{id}/cancel',
    method: 'post',
    operationId: 'cancelSession',
    summary: 'Cancel a session',
    description:
      'The widget asks for a new one by itself: to keep a user out, revoke with a block instead.',
    pathParameters: id,
    requestBody: { schema: z.strictObject({}), example: {} },
    answers: [
      {
        status: 200,
        description: 'It has ended.',
        schema: session,
        example: { ...sessionExample, status: 'cancelled' },
      },
      {
        status: 202,
        description: 'OpenAI has not confirmed it; it is retried.',
        schema: session,
        example: { ...sessionExample, status: 'cancelling' },
      },
    ],
    problems: [...ADMIN, ...BODY],
  },
  {
    ...common,
    path: '/v1/admin/users/{user}/revoke',
    method: 'post',
    operationId: 'revokeUser',
    summary: 'Take back all sessions of a user',
    description: 'With `block_seconds` the user gets no new ones for so long.',
    pathParameters: user,
    requestBody: { schema: revokeBody, example: { block_seconds: 3600, reason: 'left' } },
    answers: [{ status: 200, description: 'Durable.', schema: revoked, example: revokedExample }],
    problems: [...ADMIN, ...BODY],
  },
  {
    ...common,
    path: '/v1/admin/revoke',
    method: 'post',
    operationId: 'revoke',
    summary: 'Take back all sessions of a user or subject',
    description: 'The same, with the user or the token subject in the body.',
    requestBody: {
      schema: revokeAnyBody,
      example: { issuer: 'https://login.acme.example/', subject: 'alice', block_seconds: 3600 },
      required: true,
    },
    answers: [{ status: 200, description: 'Durable.', schema: revoked, example: revokedExample }],
    problems: [...ADMIN, ...BODY],
  },
  {
    ...common,
    path: '/v1/admin/users/{user}/block',
    method: 'delete',
    operationId: 'liftBlock',
    summary: 'Lift a block',
    description: 'Sessions that were taken back stay so; new ones can be minted.',
    pathParameters: user,
    answers: [{ status: 204, description: 'There is no block any more.' }],
  },
  {
    ...common,
    path: '/v1/admin/blocks',
    method: 'get',
    operationId: 'listBlocks',
    summary: 'List blocks that hold',
    description: `Newest first; the cursors are users. ${AUDITED}`,
    query: blockListQuery,
    answers: [page(listOf(block), pageOf(blockExample, blockExample.user))],
  },
  {
    ...common,
    path: '/v1/admin/audit',
    method: 'get',
    operationId: 'listAudit',
    summary: 'List the audit trail',
    description: `Newest first. ${AUDITED}`,
    query: auditListQuery,
    answers: [page(listOf(auditEntry), pageOf(auditExample, auditExample.id))],
  },
]
