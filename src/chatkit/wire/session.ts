// Sessions as the ChatKit API spells them: the body of a create, and its answers to create and cancel.

import { z } from 'zod'
import { MAX_USER_CHARACTERS, OBJECT_ID, USER_PATTERN } from '../../lib/ids.ts'
import { Secret } from '../../lib/secret.ts'
import { scalar, text, unixTime, wholeNumber } from './wire.ts'

/** Life of a session in seconds when the call names none; also the longest allowed. */
export const DEFAULT_LIFE_SECONDS = 600

/** Requests per minute that a session allows when the call names no number. */
export const DEFAULT_REQUESTS_PER_MINUTE = 10

const MAX_STATE_VARIABLES = 64
const MAX_STATE_KEY_CHARACTERS = 64

/** JSON numbers are doubles here: 12345678901234567890, an account's id, would go on as another number. */
const INEXACT = 'a whole number beyond 2^53 loses digits; put it in quotes'

/** Values that the workflow starts with: at most 64, keys of at most 64 characters. */
const fewStateVariables = z
  .record(z.string(), scalar)
  .check((context) => {
    const { value: input, issues } = context
    for (const [key, value] of Object.entries(input)) {
      if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
        issues.push({ code: 'custom', path: [key], message: INEXACT, input: value })
      }
      if ([...key].length <= MAX_STATE_KEY_CHARACTERS) continue
      const message = `a key of more than ${MAX_STATE_KEY_CHARACTERS} characters`
      issues.push({ code: 'invalid_key', origin: 'record', issues: [], message, input })
    }
  })
  .meta({
    id: 'StateVariablesParam',
    description: 'Values that the workflow starts with; keys of at most 64 characters.',
    maxProperties: MAX_STATE_VARIABLES,
    propertyNames: { type: 'string', maxLength: MAX_STATE_KEY_CHARACTERS },
  })

/** They are counted before they are read, because zod makes an issue of each bad value. */
const stateVariables = z.preprocess((input, { issues }) => {
  const { length } = typeof input === 'object' && input !== null ? Object.keys(input) : []
  const maximum = MAX_STATE_VARIABLES
  const issue = { code: 'too_big', origin: 'object', maximum, inclusive: true, input } as const
  if (length > maximum) issues.push(issue)
  return input
}, fewStateVariables)

const chatkitConfigurationParam = z
  .strictObject({
    automatic_thread_titling: z
      .strictObject({ enabled: z.boolean().optional().describe('True when absent.') })
      .meta({ id: 'ThreadTitlingParam', description: 'Whether threads get titles by themselves.' })
      .optional(),
    file_upload: z
      .strictObject({
        enabled: z.boolean().optional().describe('False when absent.'),
        max_file_size: z.int().min(1).max(512).optional().describe('Megabytes; 512 when absent.'),
        max_files: z.int().min(1).optional().describe('Files in a session; 10 when absent.'),
      })
      .meta({ id: 'FileUploadParam', description: 'Whether files can be sent, and which.' })
      .optional(),
    history: z
      .strictObject({
        enabled: z.boolean().optional().describe('True when absent.'),
        recent_threads: z.int().min(1).optional().describe('Threads shown; all when absent.'),
      })
      .meta({ id: 'HistoryParam', description: 'Whether the page shows earlier threads.' })
      .optional(),
  })
  .meta({
    id: 'ChatKitConfigurationParam',
    description: "ChatKit's features as a create call may override them.",
  })

/** Both fields are required. */
const expiresAfterParam = z
  .strictObject({
    anchor: z
      .literal('created_at')
      .describe('The event that starts the time: always `created_at`.'),
    seconds: z.int().min(1).max(DEFAULT_LIFE_SECONDS).describe('Seconds that it lives.'),
  })
  .meta({ id: 'ExpiresAfterParam', description: 'When the session ends.' })

const rateLimitsParam = z
  .strictObject({
    max_requests_per_1_minute: z.int().min(1).optional().describe('10 when absent.'),
  })
  .meta({ id: 'RateLimitsParam', description: 'Requests that a client secret is good for.' })

const workflowParam = z
  .strictObject({
    id: z.string().min(1).meta({ maxLength: 512, description: 'The workflow.' }),
    version: text(512).describe('The latest deployed one when absent.').optional(),
    state_variables: stateVariables.optional(),
    tracing: z
      .strictObject({ enabled: z.boolean().optional().describe('True when absent.') })
      .meta({ id: 'TracingParam', description: 'Whether runs of the workflow are traced.' })
      .optional(),
  })
  .meta({ id: 'WorkflowParam', description: 'The workflow to run, and how it starts.' })

/** Body of `POST /chatkit/sessions`. Tracing is on unless it is turned off. */
export const createSessionParams = z
  .strictObject({
    user: text(MAX_USER_CHARACTERS).meta({
      pattern: USER_PATTERN,
      description: 'The user of the session.',
    }),
    workflow: workflowParam,
    chatkit_configuration: chatkitConfigurationParam.optional(),
    expires_after: expiresAfterParam.optional(),
    rate_limits: rateLimitsParam.optional(),
  })
  .meta({ id: 'CreateSessionParams', description: 'A session as the ChatKit API creates it.' })
export type CreateSessionParams = z.infer<typeof createSessionParams>

const sessionStatus = z.enum(['active', 'expired', 'cancelled'])

const enabled = z.boolean().describe('Whether it is on.')

const chatkitConfiguration = z
  .looseObject({
    automatic_thread_titling: z
      .looseObject({ enabled })
      .meta({ id: 'ThreadTitling', description: 'Titles that threads get by themselves.' }),
    file_upload: z
      .looseObject({
        enabled,
        max_file_size: wholeNumber('Megabytes.').nullable().describe('Megabytes; null for none.'),
        max_files: wholeNumber('Files in a session.').nullable().describe('Null for any number.'),
      })
      .meta({ id: 'FileUpload', description: 'Files that can be sent.' }),
    history: z
      .looseObject({
        enabled,
        recent_threads: wholeNumber('Threads shown.').nullable().describe('Null for all of them.'),
      })
      .meta({ id: 'History', description: 'Earlier threads that the page shows.' }),
  })
  .meta({ id: 'ChatKitConfiguration', description: "ChatKit's features in this session." })

/** State variables as answers have them. */
export const sessionState = z
  .record(z.string(), scalar)
  .meta({ id: 'StateVariables', description: 'Values that the workflow starts with.' })

const sessionWorkflow = z
  .looseObject({
    id: z.string().describe('The id, as it was asked for.'),
    version: z.string().nullable().describe('Null when the latest deployment is used.'),
    state_variables: sessionState.nullable().describe('Null when none were given.'),
    tracing: z
      .looseObject({ enabled })
      .meta({ id: 'Tracing', description: 'Tracing of runs of the workflow.' }),
  })
  .meta({ id: 'SessionWorkflow', description: 'The workflow of a session.' })

/** `chat_session`: the answer to create and to cancel, with every field the reference has. */
export const chatSession = z
  .looseObject({
    id: z.string().min(1).describe('The session, cksess_…'),
    object: z.literal('chatkit.session').describe('Always `chatkit.session`.'),
    status: sessionStatus.describe('Its state.'),
    user: z.string().describe('The user of the session.'),
    client_secret: z
      .string()
      .describe("For ChatKit. Also in the API's answer to a cancel; empty where nobody knows it."),
    expires_at: unixTime,
    max_requests_per_1_minute: wholeNumber('The same as in `rate_limits`.'),
    rate_limits: z
      .looseObject({ max_requests_per_1_minute: wholeNumber('Requests in a minute.') })
      .meta({ id: 'RateLimits', description: 'Requests that the client secret is good for.' }),
    workflow: sessionWorkflow,
    chatkit_configuration: chatkitConfiguration,
  })
  .meta({ id: 'ChatKitSession', description: 'A session as the ChatKit API answers it.' })
export type ChatSession = z.infer<typeof chatSession>

/** The fields of a session that do not come from its parameters. */
type SessionState = Pick<ChatSession, 'id' | 'status' | 'client_secret' | 'expires_at'>

/** A session as the API answers it: with every field, in this order, and the reference's defaults for absent parameters. */
export function sessionOf(
  { user, workflow, rate_limits, chatkit_configuration: features }: CreateSessionParams,
  { id, status, client_secret, expires_at }: SessionState,
): ChatSession {
  const perMinute = rate_limits?.max_requests_per_1_minute ?? DEFAULT_REQUESTS_PER_MINUTE
  return {
    ...{ id, object: 'chatkit.session', status, user, client_secret, expires_at },
    max_requests_per_1_minute: perMinute,
    rate_limits: { max_requests_per_1_minute: perMinute },
    workflow: {
      id: workflow.id,
      version: workflow.version ?? null,
      state_variables: workflow.state_variables ?? null,
      tracing: { enabled: workflow.tracing?.enabled ?? true },
    },
    chatkit_configuration: {
      automatic_thread_titling: { enabled: features?.automatic_thread_titling?.enabled ?? true },
      file_upload: {
        enabled: features?.file_upload?.enabled ?? false,
        max_file_size: features?.file_upload?.max_file_size ?? 512,
        max_files: features?.file_upload?.max_files ?? 10,
      },
      history: {
        enabled: features?.history?.enabled ?? true,
        recent_threads: features?.history?.recent_threads ?? null,
      },
    },
  }
}

/** In the year 5138. Milliseconds are beyond it. */
const MOST_SECONDS = 1e11

const secret = z.string().min(1).transform(Secret.of)

/**
 * The fields of the answer to a create that the service relies on. The rest is not read, so that a mint does
 * not fail over a field nobody uses.
 */
export const issuedSession = z.object({
  /** The id must fit into a path: a session that cannot be cancelled must not be handed out. */
  id: z.string().regex(OBJECT_ID).brand<'SessionId'>(),
  client_secret: secret,
  /** Unix seconds; a session with a time in milliseconds would count as live for ever. */
  expires_at: z.number().max(MOST_SECONDS),
  status: sessionStatus,
  user: z.string(),
})
export type IssuedSession = z.infer<typeof issuedSession>

/**
 * The fields of the answer to a cancel that the service relies on. OpenAI repeats the client secret there, this
 * service leaves it empty; a cancel must not fail because of it.
 */
export const endedSession = z.looseObject({
  id: z.string().min(1),
  client_secret: z.string().transform(Secret.of).optional().catch(undefined),
  status: sessionStatus,
})
export type EndedSession = z.infer<typeof endedSession>
