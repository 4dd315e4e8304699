// The config file as a zod schema, from which config/schema.json is generated for editors.

import { z } from 'zod'
import {
  checkedText,
  cidrProblem,
  environmentName,
  expression,
  issuerName,
  originPatternProblem,
  originProblem,
  patternText,
  workflowName,
} from './checked-text.ts'
import { issuerSchema } from './schema-issuer.ts'
import { workflowSchema } from './schema-workflow.ts'

const origin = checkedText(originProblem)
const max = z.int().min(1).max(10_000_000)
const seconds = z.int().min(1).max(86_400)
const megabytes = z.int().min(1).max(256)

const limitsSchema = z
  .strictObject({
    mints_per_user: z
      .strictObject({ max: max.default(10), seconds: seconds.default(60) })
      .prefault({})
      .describe('Sessions that one user may ask for.'),
    live_sessions_per_user: z
      .strictObject({
        max: max.default(20),
        when_full: z.enum(['evict_oldest', 'deny']).default('evict_oldest'),
      })
      .prefault({})
      .describe('Sessions that one user may have at a time.'),
    failed_auth_per_ip: z
      .strictObject({ max: max.default(60), seconds: seconds.default(60) })
      .prefault({})
      .describe(
        'Failed authentications of one address (IPv6: of one /64): bad tokens, client secrets, introspection secrets, logout tokens, console sign-ins.',
      ),
    reads_per_user: z
      .strictObject({ max: max.default(120), seconds: seconds.default(60) })
      .prefault({})
      .describe(
        "A user's own calls of /v1/threads and below, and links to files that they follow.",
      ),
  })
  .prefault({})

const sha256 = patternText(
  /^sha256:[0-9a-f]{64}$/,
  'must be sha256: and the hex SHA-256 of the secret; printf %s "$SECRET" | sha256sum',
)

const apiKeySchema = z.strictObject({
  id: patternText(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, ".", "_" and "-"').describe(
    'Names the key in audit and logs.',
  ),
  sha256: z
    .union([sha256, z.array(sha256).min(1).max(2)])
    .describe(
      'SHA-256 of the key; two while it is being changed. `chatkit-mint keys generate --use api` makes one.',
    ),
  workflows: z
    .array(workflowName)
    .min(1)
    .optional()
    .describe('Names of the workflows that it may use; all when absent.'),
})

const adminsSchema = z
  .strictObject({
    when: expression.describe('CEL → bool: who is an admin. An error is false.'),
    issuers: z
      .array(issuerName)
      .min(1)
      .optional()
      .describe("Whose tokens can be an admin's; required when there is more than one issuer."),
    origins: z
      .array(origin)
      .default([])
      .describe('Browser origins that may call the admin endpoints.'),
  })
  .describe('Who may call the admin endpoints; without it there are none.')

const consoleSchema = z
  .strictObject({
    issuer: issuerName.describe(
      'Where admins sign in, with OIDC discovery; one of the issuers that can have admins.',
    ),
    client_id: patternText(/^[\x20-\x7e]{1,256}$/, 'must be printable ASCII').describe(
      'This service at the issuer; its redirect URI is PUBLIC_URL/admin/callback.',
    ),
    client_secret_env: environmentName.describe("Environment variable with the client's secret."),
    session_minutes: z
      .int()
      .min(1)
      .max(1440)
      .default(60)
      .describe('After these an admin signs in again, busy or not.'),
    idle_minutes: z
      .int()
      .min(1)
      .max(1440)
      .default(30)
      .describe(
        'After these without use an admin signs in again; what a page asks by itself is no use.',
      ),
  })
  .describe('The admin console at /admin; needs `admins` and PUBLIC_URL.')

/**
 * The config file, key by key. What concerns several keys at once, and what expressions say, is
 * checked apart, so that all problems come out together.
 */
export const configSchema = z
  .strictObject({
    issuers: z.array(issuerSchema).min(1).describe('Whose tokens are accepted; each once.'),
    user: expression
      .optional()
      .describe(
        'CEL → string of 1..512 characters: the ChatKit user. With several issuers it must set `issuer` apart by a text that none of them holds.',
      ),
    workflows: z
      .record(workflowName, workflowSchema)
      .refine((workflows) => Object.keys(workflows).length > 0, {
        error: 'needs at least 1 entry',
      })
      .describe('By the name that clients use; the first whose `when` holds is the default.'),
    admins: adminsSchema.optional(),
    console: consoleSchema.optional(),
    cors: z
      .strictObject({ origins: z.array(checkedText(originPatternProblem)) })
      .prefault({ origins: [] })
      .describe(
        'Browser origins that may call, exactly as browsers send them; one `*` may stand in the first label (https://app-*.acme.example).',
      ),
    trusted_proxies: z
      .array(checkedText(cidrProblem))
      .default([])
      .describe('Address ranges of the proxies whose forwarding headers are believed.'),
    client_ip_header: patternText(/^[\w!#$%&'*+.^`|~-]+$/, 'must be a header name')
      .optional()
      .describe('Header in which a trusted proxy puts the client; default X-Forwarded-For.'),
    limits: limitsSchema.describe('All optional.'),
    introspection: z
      .strictObject({
        clients: z
          .array(
            z.strictObject({
              id: patternText(/^[\x21-\x39\x3b-\x7e]{1,128}$/, 'must be printable, without ":"'),
              secret_sha256: sha256,
              workflows: z
                .array(workflowName)
                .min(1)
                .optional()
                .describe('Those that it learns of; all self-hosted ones when absent.'),
            }),
          )
          .min(1),
      })
      .optional()
      .describe('Who may introspect client secrets with HTTP Basic, besides admins.'),
    api_keys: z
      .array(apiKeySchema)
      .default([])
      .describe('Backends that call the ChatKit API of this service, at /v1/chatkit.'),
    gateway: z
      .strictObject({
        max_body_mb: megabytes.default(10),
        max_frame_mb: megabytes.default(32).describe('Longest event of a stream.'),
        max_answer_mb: megabytes.default(64).describe('Longest answer that is no stream.'),
        memory_mb: z
          .int()
          .min(1)
          .max(16_384)
          .default(256)
          .describe(
            'For bodies, events and answers that are being read; one user a quarter at most.',
          ),
        body_seconds: seconds.default(120).describe('Until a body has arrived.'),
        idle_seconds: seconds.default(300).describe('Silence of a server that ends a stream.'),
        answer_seconds: seconds.default(60).describe('Until an answer that is no stream is there.'),
        stream_minutes: z.int().min(1).max(1440).default(60).describe('Longest stream.'),
        streams_per_user: z.int().min(1).max(1000).default(10).describe('Streams at a time.'),
        allow_unknown_types: z
          .boolean()
          .default(false)
          .describe('Whether request types that this version does not know are forwarded.'),
      })
      .prefault({})
      .describe('For self-hosted workflows.'),
    retention: z
      .strictObject({
        sessions_hours: z.int().min(1).max(87_600).default(24),
        audit_days: z.int().min(1).max(3650).default(30),
      })
      .prefault({})
      .describe('How long ended sessions and audit rows are kept.'),
  })
  .meta({ title: 'chatkit-mint config file' })

/** The config file once every key has been checked, with defaults. */
export type ConfigFile = z.output<typeof configSchema>

/** The JSON Schema that editors use: draft-07 is what YAML language servers know best. */
export function configJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-07', io: 'input' })
  return JSON.parse(JSON.stringify(schema))
}
