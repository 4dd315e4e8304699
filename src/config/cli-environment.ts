// Reads the environment variables of the operators' command line.

import {
  type Environment,
  EnvironmentError,
  problemsOf,
  readConfigSources,
  type Variables,
  withoutBlanks,
} from './env.ts'
import { proxySchema, readProxies } from './proxies.ts'
import { baseUrl, isAtLoopback } from './urls.ts'
import { environmentSchema } from './variables.ts'

/** Environment of the operators' command line: addresses here, keys and tokens through `secret`. */
export interface CliEnvironment
  extends Pick<
    Environment,
    'openaiBaseUrl' | 'openaiOrgId' | 'openaiProjectId' | 'proxies' | 'secret'
  > {
  /** This service, without a trailing slash; undefined to call the ChatKit API itself. */
  readonly serviceUrl: string | undefined
  /** The sign-in of `npm run dev` or of the demo, without a trailing slash. */
  readonly signInUrl: string
}

/** Variables that only the command line reads. */
export const CLI_VARIABLES = {
  CHATKIT_MINT_URL:
    'The service that commands ask, as https://chat.example.com; without it, and without `--url`, they ask the ChatKit API itself.',
  CHATKIT_MINT_TOKEN: "An admin's token for that service; or `CHATKIT_MINT_TOKEN_FILE`.",
  CHATKIT_MINT_SIGN_IN:
    'The sign-in of `npm run dev` or `npm run demo` that `token create` asks; http://127.0.0.1:8788 when absent.',
} as const

/** The embedded sign-in, which is never anywhere but on this machine. */
export const signInUrl = baseUrl.refine(
  (url) => isAtLoopback(url) && url.startsWith('http:'),
  'must be an http URL of this machine',
)

const cliSchema = environmentSchema
  .pick({ OPENAI_BASE_URL: true, OPENAI_ORG_ID: true, OPENAI_PROJECT_ID: true })
  .extend({
    ...proxySchema.shape,
    CHATKIT_MINT_URL: baseUrl.optional(),
    CHATKIT_MINT_SIGN_IN: signInUrl.default('http://127.0.0.1:8788'),
  })

/**
 * Reads the variables that the command line uses. The rest may be wrong: an operator's machine is not
 * the server.
 *
 * @param variables - as in `readEnvironment`
 * @throws `EnvironmentError` with every problem at once
 */
export function readCliEnvironment(variables?: Variables): CliEnvironment {
  const { data, error } = cliSchema.safeParse(withoutBlanks(variables))
  if (data === undefined) throw new EnvironmentError(problemsOf(error))
  return {
    openaiBaseUrl: data.OPENAI_BASE_URL,
    openaiOrgId: data.OPENAI_ORG_ID,
    openaiProjectId: data.OPENAI_PROJECT_ID,
    serviceUrl: data.CHATKIT_MINT_URL,
    signInUrl: data.CHATKIT_MINT_SIGN_IN,
    proxies: readProxies(data),
    secret: readConfigSources(variables).secret,
  }
}

/**
 * Checks a URL that was given as an option.
 *
 * @returns without a trailing slash; undefined when it is not one that a credential may be sent to
 */
export function credentialUrl(text: string): string | undefined {
  return baseUrl.safeParse(text).data
}
