import { z } from 'zod'
import { ANYWHERE, AUTHENTICATION, BODY, type Operation } from './operation.ts'

const workflow = { workflow: 'Name of a self-hosted workflow.' }

const envelope = z
  .looseObject({ type: z.string(), params: z.looseObject({}) })
  .describe('A request of the ChatKit protocol: threads.create, threads.list, items.list, …')

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })

const keySetExample = {
  keys: [
    {
      kty: 'EC',
      crv: 'P-256',
      x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
      y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
      alg: 'ES256',
      kid: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
      use: 'sig',
    },
  ],
}

const introspection = z.looseObject({
  active: z.boolean(),
  sub: z.string().optional().describe('The ChatKit user.'),
  sid: z.string().optional().describe('The session.'),
  exp: z.int().optional(),
})

const GATEWAY_PROBLEMS = [
  ...ANYWHERE,
  ...BODY,
  'missing_token',
  'invalid_token',
  'rate_limited',
  'store_unavailable',
  'upstream_rejected',
  'upstream_invalid_response',
  'upstream_unavailable',
  'upstream_rate_limited',
  'upstream_timeout',
] as const satisfies Operation['problems']

/** The routes of self-hosted workflows; they exist when the config has one. */
export const SELF_HOSTED_OPERATIONS: readonly Operation[] = [
  {
    path: '/chatkit/{workflow}',
    method: 'post',
    operationId: 'chatkit',
    summary: 'Speak to a self-hosted ChatKit server',
    description:
      'What `api.url` of ChatKit points at. The bearer token is the client secret. Requests about ' +
      "threads and attachments that are not the caller's are 404; answers stream through.",
    tag: 'chatkit',
    security: ['clientSecret', 'uploadLink'],
    pathParameters: workflow,
    requestBody: {
      schema: envelope,
      example: { type: 'threads.list', params: { limit: 20 } },
      otherMediaTypes: ['multipart/form-data'],
      required: true,
    },
    answers: [
      {
        status: 200,
        description: "The server's JSON; lists hold only what is the caller's.",
        schema: z.unknown(),
        example: { data: [], has_more: false },
      },
      {
        status: 200,
        description: 'For streaming types: frames of `data: <json>`, each ended by a blank line.',
        mediaType: 'text/event-stream',
        schema: z.string(),
        example: 'data: {"type":"progress_update","text":"Looking it up"}\n\n',
      },
      { status: 204, description: 'An upload to its link has arrived.' },
    ],
    problems: GATEWAY_PROBLEMS,
  },
  {
    path: '/chatkit/{workflow}',
    method: 'put',
    operationId: 'uploadAttachment',
    summary: 'Upload an attachment by its link',
    description:
      'The link comes with the answer to `attachments.create` and names this address. The body is ' +
      'the file.',
    tag: 'chatkit',
    security: ['uploadLink'],
    pathParameters: workflow,
    answers: [{ status: 204, description: 'It has arrived.' }],
    problems: GATEWAY_PROBLEMS,
  },
  {
    path: '/.well-known/jwks.json',
    method: 'get',
    operationId: 'keySet',
    summary: 'The keys that sign client secrets and server tokens',
    description: 'RFC 7517. Cacheable for five minutes.',
    tag: 'chatkit',
    security: [],
    answers: [{ status: 200, description: 'Public keys.', schema: keySet, example: keySetExample }],
    problems: ANYWHERE,
  },
  {
    path: '/v1/introspect',
    method: 'post',
    operationId: 'introspect',
    summary: 'Whether a self-hosted client secret is live',
    description: 'RFC 7662, for an `introspection` client with HTTP Basic, or an admin.',
    tag: 'chatkit',
    security: ['introspector', 'adminToken'],
    requestBody: {
      schema: z.object({ token: z.string() }),
      example: { token: 'eyJ…' },
      mediaType: 'application/x-www-form-urlencoded',
      required: true,
    },
    answers: [
      {
        status: 200,
        description: '`{"active": false}` for whatever is not live.',
        schema: introspection,
        example: { active: false },
      },
    ],
    problems: [...ANYWHERE, ...BODY, ...AUTHENTICATION, 'admin_required', 'store_unavailable'],
  },
]
