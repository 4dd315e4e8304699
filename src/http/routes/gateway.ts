// Definitions of the gateway's routes. Their handler is in gateway/, which is loaded only where a workflow is
// self-hosted.

import { z } from 'zod'
import { WORKFLOW_NAME } from '../../lib/ids.ts'
import { BODY, jsonAnswer, type RouteDefinitions, textAnswer } from '../route-definition.ts'

const common = {
  path: '/chatkit/{workflow}',
  checks: [],
  tag: 'chatkit',
  pathParameters: {
    workflow: z
      .string()
      .regex(WORKFLOW_NAME)
      .meta({ description: 'Name of a self-hosted workflow.', examples: ['helpdesk'] }),
  },
} as const

const chatKitRequest = z
  .looseObject({
    type: z
      .string()
      .meta({ maxLength: 128, description: 'threads.create, threads.list, items.list, …' }),
    params: z
      .looseObject({})
      .meta({ id: 'ChatKitParams', description: 'Depends on the type of the request.' }),
  })
  .meta({ id: 'ChatKitRequest', description: 'A request of the ChatKit protocol.' })

const problems = [
  'missing_token',
  'invalid_token',
  'rate_limited',
  'store_unavailable',
  'overloaded',
  'shutting_down',
  'server_refused',
  'upstream_auth_failed',
  'upstream_invalid_response',
  'upstream_unavailable',
  'upstream_rate_limited',
  'upstream_timeout',
] as const

const FILE_TYPES = ['image/*', 'audio/*', 'video/*'] as const

export const GATEWAY_ROUTES = {
  chatkit: {
    ...common,
    method: 'POST',
    credentials: ['clientSecret', 'uploadLink'],
    summary: 'Speak to a self-hosted ChatKit server',
    description:
      'The address for `api.url` of ChatKit. The bearer token is the client secret. Requests about ' +
      "threads and attachments that are not the caller's are 404; answers stream through.",
    requestBody: {
      schema: chatKitRequest,
      example: { type: 'threads.list', params: { limit: 20 } },
      otherMediaTypes: ['multipart/form-data'],
    },
    answers: [
      jsonAnswer("The server's JSON; lists hold only what is the caller's.", z.unknown(), {
        data: [],
        has_more: false,
      }),
      {
        ...textAnswer(
          'For streaming types: frames of `data: <json>`, each ended by a blank line.',
          'text/event-stream',
        ),
        example: 'data: {"type":"progress_update","text":"Looking it up"}\n\n',
      },
      { status: 204, description: 'The upload to its link has arrived.' },
    ],
    problems,
  },
  uploadAttachment: {
    ...common,
    method: 'PUT',
    credentials: ['uploadLink'],
    summary: 'Upload an attachment by its link',
    description:
      'The link comes with the answer to `attachments.create` and names this address. The body is ' +
      'the file.',
    answers: [{ status: 204, description: 'The file has arrived.' }],
    problems: [...BODY, ...problems],
  },
  downloadFile: {
    ...common,
    method: 'GET',
    credentials: ['fileLink'],
    summary: 'See a picture by its link',
    description:
      'Pictures, sound and film of the server. The links are in threads, items and events, last an ' +
      'hour, and end with a revoke, a block, a sign-out or a logout of their user. One range at a ' +
      'time can be asked for.',
    answers: FILE_TYPES.flatMap((mediaType) => [
      { status: 200, description: 'The file.', mediaType, schema: z.string() },
      { status: 206, description: 'The range that was asked for.', mediaType, schema: z.string() },
    ]),
    problems,
  },
} satisfies RouteDefinitions
