// The part of the config schema for one entry of `workflows`.

import { z } from 'zod'
import { OBJECT_ID } from '../../lib/ids.ts'
import { baseUrl } from '../urls.ts'
import {
  checkedText,
  environmentName,
  expression,
  patternText,
  serverProblem,
  workflowName,
} from './checked-text.ts'
import { exposeHeaders, forwardHeaders } from './header-names.ts'

/** UTF-16 units of a client's string when its declaration sets no bound. */
export const DEFAULT_MAX_LENGTH = 1000

const version = checkedText((value) => {
  if (value.trim() === '') return 'must not be blank; leave it out for the deployed version'
  if (value.trim().toLowerCase() !== 'latest') return undefined
  return 'must not be "latest", which fails once the chat starts; leave it out instead'
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
    type: z.enum(['string', 'number', 'boolean']),
    max_length: z
      .int()
      .min(1)
      .max(16_384)
      .optional()
      .describe(`For strings, in UTF-16 units; default ${DEFAULT_MAX_LENGTH}.`),
    required: z.boolean().default(false),
  })
  .refine((input) => input.max_length === undefined || input.type === 'string', {
    path: ['max_length'],
    error: 'is only for strings; leave it out',
  })

/** ChatKit's runtime features, spelled and bounded as the API has them. */
const chatkitConfiguration = z
  .strictObject({
    automatic_thread_titling: z.strictObject({ enabled: z.boolean().optional() }).optional(),
    file_upload: z
      .strictObject({
        enabled: z.boolean().optional(),
        max_file_size: z.int().min(1).max(512).optional().describe('Megabytes.'),
        max_files: z.int().min(1).optional(),
      })
      .optional(),
    history: z
      .strictObject({
        enabled: z.boolean().optional(),
        recent_threads: z.int().min(1).optional().describe('Default: all of them.'),
      })
      .optional(),
  })
  .describe('Features of the chat, as the ChatKit API names them.')
/** {@link chatkitConfiguration} */
export type ChatKitConfiguration = z.infer<typeof chatkitConfiguration>

/** One entry of `workflows`. */
export const workflowSchema = z
  .strictObject({
    id: patternText(OBJECT_ID, 'must be a workflow id, as in wf_68e5c3')
      .optional()
      .describe('The workflow at OpenAI. Either this or `server`.'),
    server: checkedText(serverProblem)
      .optional()
      .describe('URL of a ChatKit server of your own. Either this or `id`.'),
    answers_to: z
      .array(patternText(OBJECT_ID, 'must be a workflow id, as in wf_68e5c3'))
      .max(100)
      .default([])
      .describe('Further ids by which backends may ask for it; each once in the file.'),
    upload_url: checkedText(serverProblem)
      .optional()
      .describe('With `server`: where it takes direct uploads; default `server` itself.'),
    threads_at: patternText(
      /^(?! )[^\p{Cc}]{1,2048}(?<! )$/u,
      'must be a name of 1 to 2048 characters without control characters, or spaces around it',
    )
      .optional()
      .describe(
        'With `server`: the name under which the owners of threads are remembered; default: the ' +
          'address of `server`. Workflows with one name share their users’ threads.',
      ),
    adopt_threads: z
      .boolean()
      .default(false)
      .describe(
        'With `server`: a thread that nobody owns yet is the first asker’s, once shown to them.',
      ),
    fallback: workflowName
      .optional()
      .describe('With `id`: the workflow to use when OpenAI says that this one is gone.'),
    forward_headers: forwardHeaders.describe(
      'With `server`: request headers of the page that go on to it, at most 20.',
    ),
    expose_headers: exposeHeaders.describe(
      'With `server`: response headers of it that go on to the page, at most 20.',
    ),
    version: version.optional().describe('A deployed version, in quotes.'),
    api_key_env: environmentName
      .default('OPENAI_API_KEY')
      .describe('Environment variable (or its _FILE twin) with the API key.'),
    base_url: checkedText((text) => baseUrl.safeParse(text).error?.issues[0]?.message)
      .optional()
      .describe('With `id`: instead of OPENAI_BASE_URL, for a project with data residency.'),
    when: expression
      .optional()
      .describe('CEL → bool: who may use it. An evaluation error, or anything but true, is false.'),
    state_variables: z
      .record(variableName, expression)
      .refine((variables) => Object.keys(variables).length <= 64, {
        error: 'must not have more than 64 entries',
      })
      .default({})
      .describe('CEL → string, number or bool; at most 64.'),
    input: z
      .record(inputName, inputDeclaration)
      .default({})
      .describe('What the client may send, for `when` and `state_variables`.'),
    tracing: z
      .strictObject({ enabled: z.boolean().default(false) })
      .default({ enabled: false })
      .describe('Whether OpenAI keeps traces of the runs.'),
    expires_after: z
      .strictObject({
        seconds: z.int().min(1).max(600),
        anchor: z.literal('created_at').optional(),
      })
      .optional()
      .describe('How long a client secret lives; default 600 seconds.'),
    rate_limits: z
      .strictObject({ max_requests_per_1_minute: z.int().min(1) })
      .optional()
      .describe(
        'Requests of one session that run the model; default 10 per minute. All others: ten times as many.',
      ),
    chatkit_configuration: chatkitConfiguration.optional(),
  })
  .describe('A workflow that clients may be given a session for.')
