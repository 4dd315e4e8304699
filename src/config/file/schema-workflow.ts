// The part of the config schema for one entry of `workflows`.

import { z } from 'zod'
import { OBJECT_ID } from '../../lib/ids.ts'
import { baseUrl } from '../urls.ts'
import {
  between,
  checkedText,
  environmentName,
  exactText,
  expression,
  patternText,
  serverProblem,
  workflowName,
} from './checked-text.ts'
import { exposeHeaders, forwardHeaders } from './header-names.ts'

/** Longest string of a client, in UTF-16 units, when its declaration sets no bound. */
export const DEFAULT_MAX_LENGTH = 1000

const version = checkedText((value) => {
  if (value.trim() === '') return 'must not be blank; leave it out for the deployed version'
  if (value.trim().toLowerCase() === 'latest')
    return 'must not be "latest", which fails once the chat starts; leave it out instead'
  return exactText.safeParse(value).error?.issues[0]?.message
})

const variableName = patternText(
  /^[^\p{Cc}]{1,64}$/u,
  'must be a name of 1 to 64 characters without control characters',
)

const inputName = patternText(
  /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/,
  'must be a name of at most 64 letters, digits, "_" and "-" that does not start with a digit',
)

const inputDeclaration = z
  .strictObject({
    type: z.enum(['string', 'number', 'boolean']).describe('The JSON type of the value.'),
    max_length: between(1, 16_384)
      .optional()
      .describe(
        `For strings: the most UTF-16 units that are accepted; ${DEFAULT_MAX_LENGTH} when absent.`,
      ),
    required: z.boolean().default(false).describe('Whether a mint without it is refused.'),
  })
  .refine((input) => input.max_length === undefined || input.type === 'string', {
    path: ['max_length'],
    error: 'is only for strings; leave it out',
  })

/** ChatKit's runtime features, with the names and bounds of the API. */
const chatkitConfiguration = z
  .strictObject({
    automatic_thread_titling: z
      .strictObject({
        enabled: z.boolean().optional().describe('Whether threads get titles; on when absent.'),
      })
      .optional()
      .describe('Titles that are made from what a thread is about.'),
    file_upload: z
      .strictObject({
        enabled: z.boolean().optional().describe('Whether users may upload; off when absent.'),
        max_file_size: between(1, 512)
          .optional()
          .describe('Largest file, in megabytes; 512 when absent.'),
        max_files: z
          .int()
          .min(1)
          .optional()
          .describe('Files that a session may upload; 10 when absent.'),
      })
      .optional()
      .describe('Files that users attach to their messages.'),
    history: z
      .strictObject({
        enabled: z.boolean().optional().describe('Whether earlier threads show; on when absent.'),
        recent_threads: z
          .int()
          .min(1)
          .optional()
          .describe('Number of the newest threads that show; all of them when absent.'),
      })
      .optional()
      .describe("The list of the user's earlier threads."),
  })
  .describe('With `id`: features of the chat, as the ChatKit API names them.')
  .meta({ examples: [{ file_upload: { enabled: true, max_files: 3 } }] })
export type ChatKitConfiguration = z.infer<typeof chatkitConfiguration>

export const workflowSchema = z
  .strictObject({
    id: patternText(OBJECT_ID, 'must be a workflow id, as in wf_68e5c3')
      .optional()
      .describe('The workflow at OpenAI, hosted until 2026-11-30. Either this or `server`.')
      .meta({ examples: ['wf_68e5c3'] }),
    server: checkedText(serverProblem)
      .optional()
      .describe('URL of a ChatKit server of your own, https or http. Either this or `id`.')
      .meta({ examples: ['http://helpdesk.internal:8000/chatkit'] }),
    answers_to: z
      .array(patternText(OBJECT_ID, 'must be a workflow id, as in wf_68e5c3'))
      .max(100)
      .default([])
      .describe('Further ids by which backends (`api_keys`) may ask for it; each once in the file.')
      .meta({ examples: [['wf_68e5c3']] }),
    upload_url: checkedText(serverProblem)
      .optional()
      .describe('With `server`: URL where it takes direct uploads; `server` itself when absent.')
      .meta({ examples: ['http://helpdesk.internal:8000/upload'] }),
    threads_at: patternText(
      /^(?! )[^\p{Cc}]{1,2048}(?<! )$/u,
      'must be a name of 1 to 2048 characters without control characters, or spaces around it',
    )
      .optional()
      .describe(
        'With `server`: the name under which the owners of threads are remembered; the address of ' +
          '`server` when absent. Workflows with one name share their users’ threads.',
      )
      .meta({ examples: ['helpdesk'] }),
    adopt_threads: z
      .boolean()
      .default(false)
      .describe(
        'With `server`: whether a thread that nobody owns yet becomes that of the first user who asks for it and to whom the server shows it; for a move only.',
      ),
    fallback: workflowName
      .optional()
      .describe('With `id`: name of the workflow to use when OpenAI says that this one is gone.')
      .meta({ examples: ['helpdesk'] }),
    forward_headers: forwardHeaders
      .describe('With `server`: request headers of the page that go on to it.')
      .meta({ examples: [['article-id']] }),
    expose_headers: exposeHeaders
      .describe('With `server`: response headers of it that go on to the page.')
      .meta({ examples: [['x-chatkit-run-id']] }),
    version: version
      .optional()
      .describe(
        'With `id`: a deployed version, in quotes, never "latest"; the newest deployed one when absent.',
      )
      .meta({ examples: ['3'] }),
    api_key_env: environmentName
      .default('OPENAI_API_KEY')
      .describe('With `id`: environment variable (or its `_FILE` twin) with the API key.'),
    base_url: checkedText((text) => baseUrl.safeParse(text).error?.issues[0]?.message)
      .optional()
      .describe('With `id`: instead of `OPENAI_BASE_URL`, for a project with data residency.')
      .meta({ examples: ['https://eu.api.openai.com/v1'] }),
    when: expression
      .optional()
      .describe(
        'CEL → bool: who may use the workflow; everyone when absent. An evaluation error, or any result but true, is false.',
      )
      .meta({ examples: ['"support" in claims.groups'] }),
    state_variables: z
      .record(variableName, expression)
      .refine((variables) => Object.keys(variables).length <= 64, {
        error: 'must not have more than 64 entries',
      })
      .default({})
      .describe(
        'Values that the server or the workflow gets: names of 1 to 64 characters with CEL → string, number or bool; at most 64.',
      )
      .meta({ examples: [{ plan: 'claims.plan', page: 'has(input.page) ? input.page : ""' }] }),
    input: z
      .record(inputName, inputDeclaration)
      .default({})
      .describe(
        'Values that the client may send, for `when` and `state_variables`: names of at most 64 letters, digits, `_` and `-`.',
      )
      .meta({ examples: [{ page: { type: 'string', max_length: 200, required: false } }] }),
    tracing: z
      .strictObject({
        enabled: z
          .boolean()
          .default(false)
          .describe('Whether OpenAI keeps traces; this setting is always sent.'),
      })
      .default({ enabled: false })
      .describe('With `id`: traces that OpenAI keeps of the runs.'),
    expires_after: z
      .strictObject({
        seconds: between(1, 600).describe('Life of a session, in seconds.'),
        anchor: z
          .literal('created_at')
          .optional()
          .describe('The event at which its life begins; the ChatKit API has no other value.'),
      })
      .optional()
      .describe('Life of a session and its client secret; 600 seconds when absent.')
      .meta({ examples: [{ seconds: 600 }] }),
    rate_limits: z
      .strictObject({
        max_requests_per_1_minute: z.int().min(1).describe('Requests a minute that run the model.'),
      })
      .optional()
      .describe(
        'Requests of one session that run the model; 10 a minute when absent. Other requests: ten times as many.',
      )
      .meta({ examples: [{ max_requests_per_1_minute: 30 }] }),
    chatkit_configuration: chatkitConfiguration.optional(),
  })
  .describe('A workflow for which clients can get a session.')
