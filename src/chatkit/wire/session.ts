// Sessions as the ChatKit API spells them: the body of a create, and its answers to create and cancel.

import { z } from 'zod'
import { MAX_USER_CHARACTERS, OBJECT_ID } from '../../lib/ids.ts'
import { Secret } from '../../lib/secret.ts'
import { text } from './wire.ts'

/** Seconds that a session lives when nobody says otherwise: also the most that it may. */
export const DEFAULT_LIFE_SECONDS = 600

/** Requests per minute that a session is good for when nobody says otherwise. */
export const DEFAULT_REQUESTS_PER_MINUTE = 10

const MAX_STATE_VARIABLES = 64
const MAX_STATE_KEY_CHARACTERS = 64

const stateValue = z.union([z.string(), z.number(), z.boolean()])

/** Values that the workflow starts with: at most 64, keys of at most 64 characters. */
const stateVariables = z.record(z.string(), stateValue).check((context) => {
  const { value: input, issues } = context
  const keys = Object.keys(input)
  if (keys.length > MAX_STATE_VARIABLES) {
    const maximum = MAX_STATE_VARIABLES
    issues.push({ code: 'too_big', origin: 'object', maximum, inclusive: true, input })
  }
  for (const key of keys) {
    if ([...key].length <= MAX_STATE_KEY_CHARACTERS) continue
    const message = `a key of more than ${MAX_STATE_KEY_CHARACTERS} characters`
    issues.push({ code: 'invalid_key', origin: 'record', issues: [], message, input })
  }
})

/** ChatKit's features as a create call may override them; sizes in megabytes. */
const chatkitConfigurationParam = z.strictObject({
  automatic_thread_titling: z.strictObject({ enabled: z.boolean().optional() }).optional(),
  file_upload: z
    .strictObject({
      enabled: z.boolean().optional(),
      max_file_size: z.int().min(1).max(512).optional(),
      max_files: z.int().min(1).optional(),
    })
    .optional(),
  history: z
    .strictObject({
      enabled: z.boolean().optional(),
      recent_threads: z.int().min(1).optional(),
    })
    .optional(),
})

/** When the session ends: 1 to 600 seconds from its creation. Both fields are required. */
const expiresAfterParam = z.strictObject({
  anchor: z.literal('created_at'),
  seconds: z.int().min(1).max(DEFAULT_LIFE_SECONDS),
})

/** How many requests a client secret is good for in a minute. */
const rateLimitsParam = z.strictObject({
  max_requests_per_1_minute: z.int().min(1).optional(),
})

/** Body of `POST /chatkit/sessions`. Tracing is on unless it is turned off. */
export const createSessionParams = z.strictObject({
  user: text(MAX_USER_CHARACTERS),
  workflow: z.strictObject({
    id: z.string().min(1),
    version: z.string().min(1).optional(),
    state_variables: stateVariables.optional(),
    tracing: z.strictObject({ enabled: z.boolean().optional() }).optional(),
  }),
  chatkit_configuration: chatkitConfigurationParam.optional(),
  expires_after: expiresAfterParam.optional(),
  rate_limits: rateLimitsParam.optional(),
})
/** {@link createSessionParams} */
export type CreateSessionParams = z.infer<typeof createSessionParams>

const sessionStatus = z.enum(['active', 'expired', 'cancelled'])

/** `chat_session`: the answer to create and to cancel, with every field the reference has. */
export const chatSession = z.looseObject({
  id: z.string().min(1),
  object: z.literal('chatkit.session'),
  status: sessionStatus,
  user: z.string(),
  /** Also in the API's answer to a cancel; empty where nobody knows it any more. */
  client_secret: z.string(),
  /** Unix seconds. */
  expires_at: z.number(),
  max_requests_per_1_minute: z.number(),
  rate_limits: z.looseObject({ max_requests_per_1_minute: z.number() }),
  workflow: z.looseObject({
    id: z.string(),
    /** Null when the latest deployment is used. */
    version: z.string().nullable(),
    /** Null when none were given. */
    state_variables: z.record(z.string(), stateValue).nullable(),
    tracing: z.looseObject({ enabled: z.boolean() }),
  }),
  chatkit_configuration: z.looseObject({
    automatic_thread_titling: z.looseObject({ enabled: z.boolean() }),
    file_upload: z.looseObject({
      enabled: z.boolean(),
      /** Megabytes. */
      max_file_size: z.number().nullable(),
      max_files: z.number().nullable(),
    }),
    /** `recent_threads` is null when all history is kept. */
    history: z.looseObject({ enabled: z.boolean(), recent_threads: z.number().nullable() }),
  }),
})
/** {@link chatSession} */
export type ChatSession = z.infer<typeof chatSession>

/** The fields of a session that its parameters do not say. */
type SessionState = Pick<ChatSession, 'id' | 'status' | 'client_secret' | 'expires_at'>

/** A session as the API answers it: with every field, and the reference's defaults for absent parameters. */
export function sessionOf(
  { user, workflow, rate_limits, chatkit_configuration: features }: CreateSessionParams,
  state: SessionState,
): ChatSession {
  const perMinute = rate_limits?.max_requests_per_1_minute ?? DEFAULT_REQUESTS_PER_MINUTE
  return {
    ...state,
    object: 'chatkit.session',
    user,
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

const secret = z.string().min(1).transform(Secret.of)

/**
 * The fields of the answer to a create that the service relies on. The rest passes through unread, so
 * that a mint does not fail over a field nobody uses.
 */
export const issuedSession = z.looseObject({
  /** A session that cannot be cancelled must not be handed out: the id goes into a path. */
  id: z.string().regex(OBJECT_ID).brand<'SessionId'>(),
  client_secret: secret,
  /** Unix seconds. */
  expires_at: z.number(),
  status: sessionStatus,
  user: z.string(),
})
/** {@link issuedSession} */
export type IssuedSession = z.infer<typeof issuedSession>

/**
 * The fields of the answer to a cancel that the service relies on. Today it also echoes the client
 * secret; a cancel must not fail on the day it no longer does.
 */
export const endedSession = z.looseObject({
  id: z.string().min(1),
  client_secret: secret.optional().catch(undefined),
  status: sessionStatus,
})
/** {@link endedSession} */
export type EndedSession = z.infer<typeof endedSession>
