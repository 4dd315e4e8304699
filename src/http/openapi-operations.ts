import { z } from 'zod'
import { ADMIN_OPERATIONS } from './openapi-admin.ts'
import { ANYWHERE, AUTHENTICATION, BODY, type Operation, UPSTREAM } from './openapi-operation.ts'
import { SELF_HOSTED_OPERATIONS } from './openapi-self-hosted.ts'
import { THREAD_OPERATIONS } from './openapi-threads.ts'
import { USER_DATA_OPERATIONS } from './openapi-user-data.ts'
import { mintBody } from './sessions.ts'

const clientSecretAnswer = z.strictObject({
  client_secret: z.string().describe('For ChatKit, and for nothing else. Keep it in memory only.'),
})

const logoutForm = z.object({ logout_token: z.string().describe('A signed logout token.') })

/** All routes; a test compares them with what the app serves. */
export const OPERATIONS: readonly Operation[] = [
  ...ADMIN_OPERATIONS,
  ...SELF_HOSTED_OPERATIONS,
  ...THREAD_OPERATIONS,
  ...USER_DATA_OPERATIONS,
  {
    path: '/v1/sessions',
    method: 'post',
    operationId: 'createSession',
    summary: 'Mint a ChatKit session',
    description:
      "For the caller's own user. The user, the workflow's rules and all limits come from the " +
      'config and the verified token. `current_client_secret` is what ChatKit passes to ' +
      '`getClientSecret`: that session ends when the new one is minted.',
    tag: 'sessions',
    security: 'userToken',
    requestBody: { schema: mintBody, example: { workflow: 'support' } },
    answers: [
      {
        status: 200,
        description: 'The client secret of a new session.',
        schema: clientSecretAnswer,
        example: { client_secret: 'ek_68e5…' },
      },
    ],
    problems: [
      ...ANYWHERE,
      ...AUTHENTICATION,
      ...BODY,
      'claims_not_mapped',
      'workflow_not_allowed',
      'user_blocked',
      'session_limit',
      'store_unavailable',
      ...UPSTREAM,
    ],
  },
  {
    path: '/v1/sessions',
    method: 'delete',
    operationId: 'signOut',
    summary: 'Sign out',
    description: "Ends all of the caller's own live sessions; also for a blocked user.",
    tag: 'sessions',
    security: 'userToken',
    answers: [{ status: 204, description: 'They have ended, and a mint under way is refused.' }],
    problems: [...ANYWHERE, ...AUTHENTICATION, 'claims_not_mapped', 'store_unavailable'],
  },
  {
    path: '/v1/backchannel-logout',
    method: 'post',
    operationId: 'backchannelLogout',
    summary: "Take an identity provider's logout",
    description:
      'OpenID Connect Back-Channel Logout 1.0, for issuers with `logout` in the config. 200 when ' +
      'it is durable that the sessions end and older tokens no longer mint.',
    tag: 'sessions',
    security: 'none',
    requestBody: {
      schema: logoutForm,
      example: { logout_token: 'eyJ…' },
      mediaType: 'application/x-www-form-urlencoded',
      required: true,
    },
    answers: [{ status: 200, description: 'Done.' }],
    problems: [...ANYWHERE, ...BODY, 'idp_unavailable', 'store_unavailable'],
  },
  {
    path: '/livez',
    method: 'get',
    operationId: 'live',
    summary: 'Whether the process serves',
    description: 'Asks nothing of the store, the issuers or OpenAI.',
    tag: 'operation',
    security: 'none',
    answers: [{ status: 200, description: 'It does.' }],
    problems: ANYWHERE,
  },
  {
    path: '/readyz',
    method: 'get',
    operationId: 'ready',
    summary: 'Whether to send requests here',
    description: 'The store can be written and the keys of at least one issuer are usable.',
    tag: 'operation',
    security: 'none',
    answers: [{ status: 200, description: 'Ready.' }],
    problems: [...ANYWHERE, 'store_unavailable', 'idp_unavailable', 'shutting_down'],
  },
  {
    path: '/openapi.json',
    method: 'get',
    operationId: 'openapi',
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    tag: 'operation',
    security: 'none',
    answers: [{ status: 200, description: 'OpenAPI 3.1, as JSON.' }],
    problems: ANYWHERE,
  },
]
