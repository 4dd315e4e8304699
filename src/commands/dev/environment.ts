// Reads environment and config for `npm run dev`, and refuses settings with which others could reach it.

import { type Variables, withConfigFile, withoutBlanks } from '../../config/env.ts'
import type { SecretLookup } from '../../config/file/needed-secrets.ts'
import { forgottenFiles } from '../../config/forgotten-files.ts'
import { readSetup, type Setup, SetupError } from '../../config/setup.ts'
import { isAtLoopback } from '../../config/urls.ts'
import { isLoopback } from '../../lib/loopback.ts'
import { newRandomKey } from '../../lib/secret.ts'

/** Secrets that nothing else needs to know. They are made for this start if the environment lacks them. */
const MADE_KEYS = ['USER_PSEUDONYM_KEY', 'CONSOLE_COOKIE_KEY'] as const

/** The setup of a start, and the facts about the environment that the introduction needs. */
export type DevSetup = ReturnType<typeof readDevSetup>

/**
 * Environment and config file, checked as for `npm start`. Secrets that the sign-in shares with the service
 * need not be set, nor need API keys.
 *
 * @param configFile - instead of `CONFIG_FILE`
 * @param given - the process's own variables when absent
 * @throws `SetupError` with every problem
 */
export function readDevSetup(configFile: string | undefined, given?: Variables) {
  const variables = withoutBlanks(given)
  const has = (name: string) => [name, `${name}_FILE`].some((one) => variables[one] !== undefined)
  const publicUrl = variables['PUBLIC_URL']
  const instead: SecretLookup = (name, kind) => {
    const made = kind === 'shared_secret' || kind === 'client_secret'
    return made || (kind === 'api_key' && !has(name)) ? 'unchecked' : undefined
  }
  const missing = MADE_KEYS.filter((name) => !has(name))
  const setup = readOnlyHere(
    {
      STORE_URL: 'memory:',
      // Stands for the service's address, which client secrets name, until the port is known.
      PUBLIC_URL: 'http://localhost',
      ...variables,
      ...Object.fromEntries(missing.map((name) => [name, newRandomKey()])),
    },
    configFile,
    instead,
  )
  const notes = forgottenFiles(withConfigFile(variables, configFile))
  return {
    ...setup,
    /** The value of `PUBLIC_URL`; when undefined, the address where the service listens is used. */
    publicUrl,
    /** Whether the environment has the secret, in its variable or in a file. */
    has,
    /** Lines about other config files that the developer may have meant. */
    notes,
  }
}

/** The setup, whose problems come together with those of {@link reachProblems}. */
function readOnlyHere(
  variables: Variables,
  configFile: string | undefined,
  instead: SecretLookup,
): Setup {
  const problems = reachProblems(variables)
  try {
    const setup = readSetup(variables, configFile, instead)
    if (problems.length === 0) return setup
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    problems.push(...error.problems)
  }
  throw new SetupError(problems)
}

/** One line for each variable with which others could reach the service, where anybody can sign in as anybody. */
function reachProblems(variables: Variables): string[] {
  const { NODE_ENV: mode, HOST: host, PUBLIC_URL: url } = variables
  const problems: string[] = []
  if (mode?.trim() === 'production') {
    problems.push(
      'NODE_ENV: is production, where nobody may sign in as anybody; run the service with npm start',
    )
  }
  if (host !== undefined && !isLoopback(host.includes(':') ? `[${host}]` : host)) {
    problems.push(
      `HOST: npm run dev listens on 127.0.0.1 alone, because whoever reaches it may be anybody; unset HOST, or run the service with npm start`,
    )
  }
  if (url !== undefined && URL.canParse(url) && !isAtLoopback(url)) {
    problems.push(
      'PUBLIC_URL: npm run dev is for this machine alone; unset PUBLIC_URL, or run the service with npm start',
    )
  }
  return problems
}
