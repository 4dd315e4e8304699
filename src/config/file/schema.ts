// The config file as a zod schema, from which config/schema.json is generated for editors.

import { z } from 'zod'
import {
  between,
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
import { clientIpHeader } from './header-names.ts'
import { gatewaySchema, limitsSchema, retentionSchema } from './schema-bounds.ts'
import { issuerSchema } from './schema-issuer.ts'
import { workflowSchema } from './schema-workflow.ts'

const origin = checkedText(originProblem)

/** SHA-256 of an empty text and of one line feed: the results for a shell variable that is not set. */
const OF_NOTHING = new Set([
  'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  'sha256:01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b',
])

const sha256 = patternText(
  /^sha256:[0-9a-f]{64}$/,
  'must be sha256: and the hex SHA-256 of the secret; printf %s "$SECRET" | sha256sum',
).refine((value) => !OF_NOTHING.has(value), {
  error:
    'is the SHA-256 of an empty text, which everybody can send; set SECRET before it is hashed',
})

const apiKeySchema = z.strictObject({
  id: patternText(/^[\w.-]{1,64}$/, 'must be 1 to 64 letters, digits, ".", "_" and "-"')
    .describe('Names the key in audit and logs: 1 to 64 letters, digits, ".", "_" and "-".')
    .meta({ examples: ['billing'] }),
  sha256: z
    .union([sha256, z.array(sha256).min(1).max(2)])
    .describe(
      'SHA-256 of the key, as `sha256:` and 64 hex digits; two while the key is being rotated. `npx chatkit-mint keys generate --use api` makes one.',
    ),
  workflows: z
    .array(workflowName)
    .min(1)
    .optional()
    .describe('Names of the workflows that it may use; all when absent.')
    .meta({ examples: [['helpdesk']] }),
})

const adminsSchema = z
  .strictObject({
    when: expression
      .describe('CEL → bool: who is an admin. An error is false.')
      .meta({ examples: ['"chatkit-admin" in claims.roles'] }),
    issuers: z
      .array(issuerName)
      .min(1)
      .optional()
      .describe(
        "The issuers whose tokens can be an admin's; required when there is more than one issuer.",
      )
      .meta({ examples: [['https://login.acme.example/']] }),
    origins: z
      .array(origin)
      .default([])
      .describe("Browser origins that may call the admin endpoints, besides `PUBLIC_URL`'s own.")
      .meta({ examples: [['https://admin.acme.example']] }),
  })
  .describe('The admins, who may call the admin endpoints; without this key there are none.')

const consoleSchema = z
  .strictObject({
    issuer: issuerName
      .describe(
        'The issuer at which admins sign in, found by OIDC discovery; one of those that can have admins.',
      )
      .meta({ examples: ['https://login.acme.example/'] }),
    client_id: patternText(/^[\x20-\x7e]{1,256}$/, 'must be printable ASCII')
      .describe(
        'The client id of this service at the issuer; its redirect URI is `PUBLIC_URL`/admin/callback.',
      )
      .meta({ examples: ['console'] }),
    client_secret_env: environmentName
      .describe("Environment variable (or its `_FILE` twin) with the client's secret.")
      .meta({ examples: ['CONSOLE_CLIENT_SECRET'] }),
    session_minutes: between(1, 1440)
      .default(60)
      .describe('Minutes after which an admin signs in again, busy or not.'),
    idle_minutes: between(1, 1440)
      .default(30)
      .describe(
        'Minutes without use after which an admin signs in again; requests that a page makes by itself do not count as use.',
      ),
  })
  .describe('The admin console at /admin; needs `admins` and `PUBLIC_URL`.')

/**
 * The config file, key by key. Rules about several keys at once, and expressions, are checked elsewhere, so
 * that all problems are reported together.
 */
export const configSchema = z
  .strictObject({
    issuers: z
      .array(issuerSchema)
      .min(1)
      .describe('The issuers whose tokens are accepted; each once.'),
    user: expression
      .optional()
      .describe(
        'CEL → string of 1 to 512 characters: the ChatKit user. With several issuers it must set `issuer` apart by a text that none of them contains. Threads, blocks and limits belong to it: when the expression changes, everybody starts anew, and no block holds. Absent only when each issuer has its own `user`.',
      )
      .meta({ examples: ['issuer + "|" + claims.sub', 'pseudonym(issuer, claims.sub)'] }),
    workflows: z
      .record(workflowName, workflowSchema)
      .refine((workflows) => Object.keys(workflows).length > 0, { error: 'needs at least 1 entry' })
      .describe(
        'The workflows, by the name that clients use (a lower-case letter, then letters, digits and `-`, 64 at most); the first whose `when` holds is the default.',
      ),
    admins: adminsSchema.optional(),
    console: consoleSchema.optional(),
    cors: z
      .strictObject({
        origins: z
          .array(checkedText(originPatternProblem))
          .describe(
            'The origins, exactly as browsers send them: scheme, host, port. In an https origin, one `*` may stand in the first label, for `[a-z0-9-]+`.',
          )
          .meta({ examples: [['https://app.acme.example', 'capacitor://localhost']] }),
      })
      .prefault({ origins: [] })
      .describe('Pages that may call the service from a browser.'),
    trusted_proxies: z
      .array(checkedText(cidrProblem))
      .default([])
      .describe('Address ranges (CIDR) of the proxies whose forwarding headers are believed.')
      .meta({ examples: [['172.16.0.0/12']] }),
    client_ip_header: clientIpHeader
      .optional()
      .describe(
        'Header in which a trusted proxy puts the address of the client; `X-Forwarded-For`, from the right, when absent.',
      )
      .meta({ examples: ['fly-client-ip'] }),
    limits: limitsSchema,
    introspection: z
      .strictObject({
        clients: z
          .array(
            z.strictObject({
              id: patternText(/^[\x21-\x39\x3b-\x7e]{1,128}$/, 'must be printable, without ":"')
                .describe('The name of the client: 1 to 128 printable characters without ":".')
                .meta({ examples: ['helpdesk'] }),
              secret_sha256: sha256.describe(
                'SHA-256 of the client’s secret, as `sha256:` and 64 hex digits: `printf %s "$SECRET" | sha256sum`.',
              ),
              workflows: z
                .array(workflowName)
                .min(1)
                .optional()
                .describe(
                  'Names of the workflows whose secrets it may check; all self-hosted ones when absent.',
                ),
            }),
          )
          .min(1)
          .describe('Servers that ask whether a client secret is live; each id once.'),
      })
      .optional()
      .describe('Clients that may introspect client secrets with HTTP Basic, besides admins.'),
    api_keys: z
      .array(apiKeySchema)
      .default([])
      .describe('Backends that call the ChatKit API of this service, at /v1/chatkit.'),
    gateway: gatewaySchema,
    retention: retentionSchema,
  })
  .meta({ title: 'chatkit-mint config file' })

/** The config file once every key has been checked, with defaults. */
export type ConfigFile = z.output<typeof configSchema>

/** The JSON Schema for editors, in draft-07, which YAML language servers support best. */
export function configJsonSchema(): z.core.JSONSchema.JSONSchema {
  const schema = z.toJSONSchema(configSchema, { target: 'draft-07', io: 'input' })
  return JSON.parse(JSON.stringify(schema))
}
