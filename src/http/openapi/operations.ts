import { z } from 'zod'
import { mintBody } from '../routes/sessions.ts'
import { ADMIN_OPERATIONS } from './admin.ts'
import { ANYWHERE, AUTHENTICATION, BODY, type Operation, UPSTREAM } from './operation.ts'
import { SELF_HOSTED_OPERATIONS } from './self-hosted.ts'
import { THREAD_OPERATIONS } from './threads.ts'
import { USER_DATA_OPERATIONS } from './user-data.ts'

const clientSecretAnswer = z.strictObject({
  client_secret: z.string().describe('For ChatKit, and for nothing else. Keep it in memory only.'),
})

const logoutForm = z.object({ logout_token: z.string().describe('A signed logout token.') })

const SESSION_OPERATIONS: readonly Operation[] = [
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
    security: ['userToken'],
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
    security: ['userToken'],
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
    security: [],
    requestBody: {
      schema: logoutForm,
      example: { logout_token: 'eyJ…' },
      mediaType: 'application/x-www-form-urlencoded',
      required: true,
    },
    answers: [{ status: 200, description: 'Done.' }],
    problems: [...ANYWHERE, ...BODY, 'idp_unavailable', 'store_unavailable'],
  },
]

const MACHINE_OPERATIONS: readonly Operation[] = [
  {
    path: '/livez',
    method: 'get',
    operationId: 'live',
    summary: 'Whether the process serves',
    description: 'Asks nothing of the store, the issuers or OpenAI.',
    tag: 'operation',
    security: [],
    answers: [
      {
        status: 200,
        description: 'It does.',
        schema: z.object({ status: z.literal('live') }),
        example: { status: 'live' },
      },
    ],
    problems: ANYWHERE,
  },
  {
    path: '/readyz',
    method: 'get',
    operationId: 'ready',
    summary: 'Whether to send requests here',
    description: 'The store can be written and the keys of at least one issuer are usable.',
    tag: 'operation',
    security: [],
    answers: [
      {
        status: 200,
        description: 'Ready.',
        schema: z.object({ status: z.literal('ready') }),
        example: { status: 'ready' },
      },
    ],
    problems: [...ANYWHERE, 'store_unavailable', 'idp_unavailable', 'shutting_down'],
  },
  {
    path: '/client.js',
    method: 'get',
    operationId: 'clientScript',
    summary: 'The browser helper',
    description:
      "An ES module for a page's `import`: `createGetClientSecret` and `createChatKitFetch`. " +
      'Cacheable for five minutes.',
    tag: 'operation',
    security: [],
    answers: [
      {
        status: 200,
        description: 'JavaScript.',
        mediaType: 'text/javascript',
        schema: z.string(),
      },
      { status: 304, description: 'It is what `If-None-Match` names.' },
    ],
    problems: ANYWHERE,
  },
  {
    path: '/docs',
    method: 'get',
    operationId: 'docs',
    summary: 'A page to read this description',
    description: 'HTML without script and without anything from another host.',
    tag: 'operation',
    security: [],
    answers: [
      {
        status: 200,
        description: 'The API reference.',
        mediaType: 'text/html',
        schema: z.string(),
      },
    ],
    problems: ANYWHERE,
  },
  {
    path: '/docs/{page}',
    method: 'get',
    operationId: 'guide',
    summary: 'A guide',
    description: 'How to use the service from a page, a phone, and how to run it.',
    tag: 'operation',
    security: [],
    pathParameters: { page: 'Its name, as the list on `/docs` has it.' },
    answers: [
      { status: 200, description: 'The guide.', mediaType: 'text/html', schema: z.string() },
      {
        status: 200,
        description: 'For `docs.css`: the style sheet of these pages.',
        mediaType: 'text/css',
        schema: z.string(),
      },
    ],
    problems: ANYWHERE,
  },
  {
    path: '/openapi.json',
    method: 'get',
    operationId: 'openapi',
    summary: 'This document',
    description: 'OpenAPI 3.1.',
    tag: 'operation',
    security: [],
    answers: [
      {
        status: 200,
        description: 'OpenAPI 3.1, as JSON.',
        schema: z.looseObject({ openapi: z.string(), paths: z.looseObject({}) }),
        example: { openapi: '3.1.0', paths: {} },
      },
    ],
    problems: ANYWHERE,
  },
]

/** All routes, as one reads of them; a test compares them with what the app serves. */
export const OPERATIONS: readonly Operation[] = [
  ...SESSION_OPERATIONS,
  ...THREAD_OPERATIONS,
  ...SELF_HOSTED_OPERATIONS,
  ...ADMIN_OPERATIONS,
  ...USER_DATA_OPERATIONS,
  ...MACHINE_OPERATIONS,
]
