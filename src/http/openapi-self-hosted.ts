import { z } from 'zod'
import { ANYWHERE, BODY, type Operation } from './openapi-operation.ts'

const workflow = { workflow: 'Name of a self-hosted workflow.' }

const envelope = z
  .looseObject({ type: z.string(), params: z.looseObject({}) })
  .describe('A request of the ChatKit protocol: threads.create, threads.list, items.list, …')

const keySet = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })

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
    security: 'clientSecret',
    pathParameters: workflow,
    requestBody: {
      schema: envelope,
      example: { type: 'threads.list', params: { limit: 20 } },
      required: true,
    },
    answers: [{ status: 200, description: 'JSON, or `text/event-stream` for streaming types.' }],
    problems: GATEWAY_PROBLEMS,
  },
  {
    path: '/chatkit/{workflow}',
    method: 'put',
    operationId: 'uploadAttachment',
    summary: 'Upload an attachment by its link',
    description: 'The link comes with the answer to `attachments.create` and names this address.',
    tag: 'chatkit',
    security: 'uploadLink',
    pathParameters: workflow,
    answers: [{ status: 200, description: 'What the server answers.' }],
    problems: GATEWAY_PROBLEMS,
  },
  {
    path: '/.well-known/jwks.json',
    method: 'get',
    operationId: 'keySet',
    summary: 'The keys that sign client secrets and server tokens',
    description: 'RFC 7517. Cacheable for five minutes.',
    tag: 'chatkit',
    security: 'none',
    answers: [{ status: 200, description: 'Public keys.', schema: keySet }],
    problems: ANYWHERE,
  },
  {
    path: '/v1/introspect',
    method: 'post',
    operationId: 'introspect',
    summary: 'Whether a self-hosted client secret is live',
    description: 'RFC 7662, for an `introspection` client with HTTP Basic, or an admin.',
    tag: 'chatkit',
    security: 'introspector',
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
    problems: [
      ...ANYWHERE,
      ...BODY,
      'missing_token',
      'invalid_token',
      'admin_required',
      'store_unavailable',
    ],
  },
]
