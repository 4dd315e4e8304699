// Admin endpoints for sessions: list, read, cancel.

import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { parseSessionId } from '../../lib/ids.ts'
import type { SessionRecord } from '../../registry/records.ts'
import { presentList, presentSession, SESSION_STATUSES } from '../../respond/views.ts'
import { adminRequest } from '../authentication.ts'
import { noFields, readJson } from '../body.ts'
import { listParameters, pageOrRefusal, pathId, refuseQuery, validQuery } from '../query.ts'
import {
  type HandlersOf,
  idInPath,
  jsonAnswer,
  listOf,
  pageAnswer,
  type RouteDefinitions,
  unixTime,
} from '../route-definition.ts'

const filter = z.string().min(1).max(2048)

const sessionStatus = z.enum(SESSION_STATUSES)

const sessionListQuery = z.strictObject({
  ...listParameters,
  user: filter.optional().describe('Sessions of this ChatKit user.'),
  subject: filter.optional().describe("Sessions of this token's subject."),
  issuer: filter.optional().describe('Sessions of users of this issuer.'),
  workflow: filter.optional().describe('Sessions of this workflow.'),
  status: sessionStatus.optional().describe('Sessions in this state.'),
})

export const session = z
  .object({
    id: z.string().describe('The session, cksess_…'),
    object: z.literal('chatkit_mint.session').describe('Always `chatkit_mint.session`.'),
    user: z.string().describe('The ChatKit user.'),
    workflow: z.string().describe('The name of the workflow.'),
    status: sessionStatus.describe('Its state; `cancelling` until the upstream has confirmed.'),
    created_at: unixTime('When it was minted.'),
    expires_at: unixTime('When it expires.'),
    issuer: z.string().describe('The issuer of the token that minted it.'),
    subject: z.string().describe('The subject of that token.'),
  })
  .meta({ id: 'Session', description: 'A session as admins see it, without its client secret.' })

const example = {
  id: 'cksess_68e5c1f0',
  object: 'chatkit_mint.session',
  user: 'https://login.acme.example/|alice',
  workflow: 'helpdesk',
  status: 'active',
  created_at: 1_790_000_000,
  expires_at: 1_790_000_600,
  issuer: 'https://login.acme.example/',
  subject: 'alice',
}

const common = { checks: ['admin'], tag: 'admin' } as const
const AUDITED = 'What admins read is in the audit.'
const id = { id: idInPath('The session, cksess_…', example.id) }

export const SESSIONS_ROUTES = {
  listSessions: {
    ...common,
    method: 'GET',
    path: '/v1/admin/sessions',
    summary: 'List sessions',
    description: `Newest first. ${AUDITED}`,
    query: sessionListQuery,
    answers: [pageAnswer(listOf(session, 'SessionList'), example, example.id)],
  },
  readSession: {
    ...common,
    method: 'GET',
    path: '/v1/admin/sessions/{id}',
    summary: 'Read a session',
    description: AUDITED,
    pathParameters: id,
    answers: [jsonAnswer('The session.', session, example)],
  },
  cancelSession: {
    ...common,
    method: 'POST',
    path: '/v1/admin/sessions/{id}/cancel',
    summary: 'Cancel a session',
    description:
      'Its running answers end, too. A session that has expired or been replaced keeps its status. ' +
      'The widget asks for a new session by itself: to keep a user out, revoke with a block instead.',
    pathParameters: id,
    requestBody: { schema: noFields, example: {} },
    answers: [
      jsonAnswer('The session has ended.', session, { ...example, status: 'cancelled' }),
      {
        status: 202,
        description: 'OpenAI has not confirmed the cancel yet; it is retried.',
        schema: session,
        example: { ...example, status: 'cancelling' },
      },
    ],
  },
} satisfies RouteDefinitions

/** Handlers of {@link SESSIONS_ROUTES}. */
export function adminSessions({
  administer,
  now,
}: {
  readonly administer: Pick<Administer, 'listSessions' | 'readSession' | 'cancelSession'>
  readonly now: Clock
}): HandlersOf<typeof SESSIONS_ROUTES> {
  return {
    async listSessions(c) {
      const asked = { ...validQuery(c, sessionListQuery), now: unixSeconds(now) }
      const page = pageOrRefusal(await administer.listSessions(adminRequest(c), asked))
      const present = (one: SessionRecord) => presentSession(one, asked.now)
      return c.json(presentList(page, present, ({ id }) => id))
    },
    async readSession(c) {
      refuseQuery(c)
      const found = await administer.readSession(adminRequest(c), pathId(c, parseSessionId))
      return c.json(presentSession(found, unixSeconds(now)))
    },
    async cancelSession(c) {
      await readJson(c, noFields)
      refuseQuery(c)
      const cancelled = await administer.cancelSession(adminRequest(c), pathId(c, parseSessionId))
      const status = cancelled.status === 'cancelling' ? 202 : 200
      return c.json(presentSession(cancelled, unixSeconds(now)), status)
    },
  }
}
