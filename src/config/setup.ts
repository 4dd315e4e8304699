// Reads environment and config file, and reports the problems of both together.

import { resolve } from 'node:path'
import { apiKeyProblem } from './api-key.ts'
import {
  checkEnvironment,
  type Environment,
  EnvironmentError,
  readConfigSources,
  readServiceVariables,
  readVariables,
  type Variables,
  withConfigFile,
} from './env.ts'
import type { EnvFileUse } from './env-file.ts'
import { consoleProblems } from './file/console-checks.ts'
import { loadConfig } from './file/load-config.ts'
import type { SecretLookup } from './file/needed-secrets.ts'
import { ConfigError, type ConfigNeeds, formatProblem } from './file/problems.ts'
import { forgottenFiles } from './forgotten-files.ts'
import { proxySchema, readProxies } from './proxies.ts'
import { SecretFileError, type SecretSource } from './secret-file.ts'
import type { Settings } from './settings.ts'
import { readTextFile, whyUnread } from './text-file.ts'
import { shellHint } from './urls.ts'

/** The service cannot start with this environment and config file. One line for each problem. */
export class SetupError extends Error {
  override readonly name = 'SetupError'
  readonly problems: readonly string[]
  readonly signingKeys: SecretSource | undefined

  /** @param signingKeys - of the environment; their text has not been judged */
  constructor(problems: readonly string[], signingKeys?: SecretSource) {
    super(problems.join('\n'))
    this.problems = problems
    this.signingKeys = signingKeys
  }
}

/** Environment and settings, both without problems. */
export interface Setup {
  readonly environment: Environment
  readonly settings: Settings
  /** Undefined when there is no `.env`, or it was not asked. */
  readonly envFile: EnvFileUse | undefined
}

/**
 * Reads environment and config file, and reports all problems of both, before anything is opened.
 *
 * @param given - the environment; the process's own with `.env` when absent
 * @param configFile - instead of `CONFIG_FILE`
 * @param instead - asked for secrets before the environment, for a command that makes them itself; placeholders
 * of the shipped files are then no problem
 * @throws {@link SetupError}
 */
export function readSetup(given?: Variables, configFile?: string, instead?: SecretLookup): Setup {
  const read = given === undefined ? readServiceVariables() : undefined
  const problems = [...(read?.problems ?? [])]
  const variables = withConfigFile(read?.variables ?? given, configFile)
  const { environment, problems: ofVariables } = checkEnvironment(variables)
  problems.push(...ofVariables)
  // The file is checked even if the environment has problems, so that one start shows all of them.
  const from = { ...environment, given: configFile !== undefined }
  const { settings, needs } = readSettings(from, problems, instead)
  if (needs?.selfHosted !== undefined) {
    problems.push(...selfHostedProblems(environment, needs.selfHosted))
  }
  if (needs?.console)
    problems.push(...(attempt(() => consoleProblems(environment), problems) ?? []))
  problems.push(...ownGatewayProblems(environment, settings))
  if (settings?.workflows.every(({ kind }) => kind === 'self-hosted'))
    problems.push(...(attempt(() => usualKeyProblems(environment), problems) ?? []))
  if (settings && problems.length === 0) {
    return { environment, settings, envFile: read?.envFile }
  }
  // This line comes first, because it explains problems of a file that the operator did not mean.
  const { signingKeys } = environment
  throw new SetupError([...forgottenFiles(variables), ...new Set(problems)], signingKeys)
}

/** The settings and secrets with which tokens are judged and mapped. */
export type Rules = Pick<Setup, 'settings'> &
  Pick<Environment, 'configFile' | 'secret' | 'proxies'> & {
    /** Lines about other config files that the operator may have meant. */
    readonly notes: readonly string[]
  }

/**
 * Reads the config file for commands that check tokens and never call the ChatKit API. API keys may be missing,
 * and the rest of the environment is not checked.
 *
 * @param given - as in {@link readSetup}
 * @param file - instead of `CONFIG_FILE`
 * @throws {@link SetupError}
 */
export function readRules(given?: Variables, file?: string): Rules {
  const problems: string[] = []
  const variables = withConfigFile(given, file)
  const sources = { ...readConfigSources(variables), given: file !== undefined }
  const instead: SecretLookup = (_, kind) => (kind === 'api_key' ? 'unchecked' : undefined)
  const { settings } = readSettings(sources, problems, instead)
  const proxies = attempt(() => readProxies(readVariables(proxySchema, variables)), problems)
  const notes = forgottenFiles(variables)
  if (settings && proxies && problems.length === 0) {
    const { configFile, secret } = sources
    return { settings, configFile, secret, proxies, notes }
  }
  throw new SetupError([...new Set(problems), ...notes])
}

/** Self-hosted workflows need our signing keys and our own URL, which their client secrets name. */
function selfHostedProblems(environment: Environment, workflow: string): string[] {
  const problems: string[] = []
  if (environment.publicUrl === undefined) {
    problems.push(
      `PUBLIC_URL: needed by the self-hosted workflow ${workflow}; set this service's URL, on your own machine http://localhost:${environment.port || 8787}`,
    )
  }
  // Instances that share a store must share the keys: otherwise each refuses the tokens of the others.
  if (environment.store.kind === 'redis' && environment.signingKeys === undefined) {
    problems.push(
      'SIGNING_KEY_FILE: needed with Redis; make one with: npx chatkit-mint keys generate --output signing-key.json',
    )
  }
  return problems
}

/** Where no workflow is hosted, the file needs no API key. This one still cancels the sessions that are left at OpenAI. */
function usualKeyProblems({ secret }: Pick<Environment, 'secret'>): string[] {
  const key = secret('OPENAI_API_KEY')?.()
  const problem = key && apiKeyProblem(key.reveal())
  return problem === undefined ? [] : [`OPENAI_API_KEY: ${problem}`]
}

/** The gateway would call itself, and refuse its own token. */
function ownGatewayProblems(
  { publicUrl }: Environment,
  settings: Settings | undefined,
): readonly string[] {
  if (publicUrl === undefined || settings === undefined) return []
  const { workflows } = settings
  return workflows.flatMap((workflow) => {
    if (workflow.kind !== 'self-hosted') return []
    const isOwn = workflows.some(({ name }) =>
      `${workflow.server}/`.startsWith(`${publicUrl}/chatkit/${name}/`),
    )
    if (!isOwn) return []
    return `workflows.${workflow.name}.server: is the gateway of this service (PUBLIC_URL); name the ChatKit server behind it`
  })
}

/**
 * Without `instead` the service will run with the file, so placeholders are errors. The needs are known even if the
 * file has problems.
 */
function readSettings(
  {
    configFile: file,
    secret,
    given,
  }: Pick<Environment, 'configFile' | 'secret'> & { readonly given: boolean },
  problems: string[],
  instead?: SecretLookup,
): { readonly settings?: Settings; readonly needs?: ConfigNeeds | undefined } {
  const secrets: SecretLookup = (name, kind) => {
    const other = instead?.(name, kind)
    if (other !== undefined) return other
    try {
      return secret(name)?.()
    } catch (error) {
      problems.push(...problemsOf(error))
      return 'unchecked'
    }
  }
  try {
    return loadConfig(readText(file, given), { file, secrets, toRun: instead === undefined })
  } catch (error) {
    problems.push(...problemsOf(error))
    return error instanceof ConfigError ? { needs: error.needs } : {}
  }
}

/** Advice about a config file that is there, by the system's code. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'let the user of this process read it',
  EISDIR: 'it is a folder, which Docker makes where the file to mount is missing',
}

function whereToLook(given: boolean): string {
  const what = given ? 'give the path of your file' : 'set CONFIG_FILE to your file'
  return `${what}; config/examples has one for each identity provider`
}

/** @param given - whether an option of the command names the file, in place of `CONFIG_FILE` */
function readText(file: string, given: boolean): string {
  try {
    return readTextFile(file)
  } catch (error) {
    const adviceOn = (code: string) => `; ${ADVICE[code] ?? whereToLook(given)}${shellHint(file)}`
    throw new SetupError([`${resolve(file)}: ${whyUnread(error, adviceOn)}`])
  }
}

function attempt<T>(work: () => T, problems: string[]): T | undefined {
  try {
    return work()
  } catch (error) {
    problems.push(...problemsOf(error))
    return undefined
  }
}

function problemsOf(error: unknown): readonly string[] {
  if (error instanceof EnvironmentError || error instanceof SetupError) return error.problems
  if (error instanceof ConfigError) return error.problems.map(formatProblem)
  if (error instanceof SecretFileError) return [error.message]
  throw error
}
