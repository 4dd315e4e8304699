// The table of environment variables: the form, the default and the meaning of each. env.ts reads it, and the page
// about the environment is made from it.

import { isIP } from 'node:net'
import { z } from 'zod'
import { proxySchema } from './proxies.ts'
import { storeUrl } from './store-url.ts'
import { baseUrl, publicUrl, quotesHint } from './urls.ts'

/** `PORT` and its like: 0 to 65535. */
export const port = (fallback: number) =>
  z
    .string()
    .default(String(fallback))
    .refine(
      (text) => /^\d{1,5}$/.test(text) && Number(text) <= 65_535,
      'must be a port, 0 to 65535',
    )
    .transform(Number)

const headerText = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'must be printable ASCII')
  .refine((text) => quotesHint(text) === '', 'is in quotes; leave them out')

/** An address to listen on: a name or an IP address, and nothing else that could make it a name nobody has. */
const listenAddress = z
  .string()
  .refine(
    (text) => isIP(text) !== 0 || /^(?![\d.]+$)[A-Za-z0-9_.-]{1,253}$/.test(text),
    'must be an IP address or a host name alone, such as 0.0.0.0, 127.0.0.1 or ::',
  )

/** One of these words; upper and lower case are alike. */
function oneOf<const Words extends readonly string[]>(words: Words) {
  const error = `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
  return z.string().trim().toLowerCase().pipe(z.enum(words, { error }))
}

/** Every variable that is not a secret. */
export const environmentSchema = z.object({
  CONFIG_FILE: z
    .string()
    .default('config/chatkit-mint.yaml')
    .describe('Path of the [config file](configuration.md).'),
  HOST: listenAddress.default('0.0.0.0').describe('Address of the public listener.'),
  PORT: port(8787).describe(
    'Port of the public listener, 0 to 65535; `0` picks a free one, and the `listening` line of the log says which.',
  ),
  PUBLIC_URL: publicUrl
    .optional()
    .describe(
      "The service's own URL as clients see it. The console and self-hosted workflows need it. Its origin is always an allowed one.",
    ),
  STORE_URL: storeUrl.describe(
    '`memory:` (SQLite without a file), `sqlite:PATH`, `redis://USER:PASSWORD@HOST:PORT` or `rediss://…` (Valkey too). User and password are percent-encoded. `?cluster=true` speaks to a cluster; `?replicas=N` (1 to 99): a revoke answers when N replicas have it.',
  ),
  OPENAI_BASE_URL: baseUrl
    .prefault('https://api.openai.com/v1')
    .describe('The ChatKit API for hosted workflows; plain `http` only for loopback.'),
  OPENAI_ORG_ID: headerText.optional().describe('Sent as `OpenAI-Organization`.'),
  OPENAI_PROJECT_ID: headerText.optional().describe('Sent as `OpenAI-Project`.'),
  SIGNING_KEY_FILE: z
    .string()
    .optional()
    .describe(
      'Path of the private JWK set for receipts and for client secrets of self-hosted workflows: the first key signs, all verify. Without it a key is made and kept in the SQLite store; `memory:` makes one for each start; with Redis, self-hosted workflows and receipts need the file. `npx chatkit-mint keys generate` makes one: EC P-256; Ed25519 and RSA (2048 bits at least) count, too, RSA for gateways that verify nothing else.',
    ),
  METRICS_PORT: port(9091).describe(
    'Port of the Prometheus listener ([`/metrics`](metrics.md)); `0` turns it off.',
  ),
  METRICS_HOST: listenAddress
    .default('127.0.0.1')
    .describe('Address of the Prometheus listener; the image sets `0.0.0.0`.'),
  LOG_LEVEL: oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe(
      'The least level that is logged: `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`, in any case.',
    ),
  LOG_FORMAT: oneOf(['json', 'text'])
    .optional()
    .describe('`json` lines or `text`; when absent, text on a terminal and JSON lines elsewhere.'),
  DOCS_TRY_IT: oneOf(['on', 'off'])
    .optional()
    .describe(
      '`on` or `off`: whether the API reference has forms that call this service; when absent, on where `PUBLIC_URL` is a loopback address.',
    ),
  ...proxySchema.shape,
})

/** Stands for a URL that is set but wrong. The name can never exist (RFC 6761 §6.4). */
const WRONG_URL = 'https://wrong.invalid'

/**
 * Reads all variables of the schema.
 *
 * @param set - without blanks
 * @returns the values, and the problems. A wrong variable counts as unset, but a wrong `PUBLIC_URL` is still one
 */
export function parseVariables(set: Readonly<Record<string, string | undefined>>) {
  // Read once: compiling the schema takes longer than it saves.
  const { data, error } = environmentSchema.safeParse(set, { jitless: true })
  if (data !== undefined) return { data, error }
  const wrong = new Set(error.issues.map(({ path }) => path[0]))
  const right = Object.fromEntries(Object.entries(set).filter(([name]) => !wrong.has(name)))
  const url = wrong.has('PUBLIC_URL') ? { PUBLIC_URL: WRONG_URL } : {}
  return { data: environmentSchema.parse({ ...right, ...url }, { jitless: true }), error }
}

/** Secrets with a fixed name. Each may be in a file that its `_FILE` twin names. */
export const SECRET_VARIABLES = {
  OPENAI_API_KEY:
    'API key for hosted workflows, bare: without quotes, white space or `NAME=`. The log shows its last 4 characters.',
  USER_PSEUDONYM_KEY:
    'At least 32 bytes, base64url; needed when an expression calls `pseudonym()`. `openssl rand -base64 32 | tr +/ -_` makes one.',
  CONSOLE_COOKIE_KEY:
    "At least 32 bytes, base64url, for the console's cookies. Without it a key is made and kept in the SQLite store; Redis needs it.",
} as const

/** Two sources for one secret are refused: nobody could tell which one is used, and a wrong key is hard to find. */
export function doubleProblem(
  set: Readonly<Record<string, string | undefined>>,
  name: string,
): string | undefined {
  const both = set[name] !== undefined && set[`${name}_FILE`] !== undefined
  return both ? `${name}: ${name}_FILE is set too; unset one of them` : undefined
}
