// Reads and checks environment variables. No other file reads `process.env`.

import { z } from 'zod'
import { fixedSecret, lastUsable } from '../lib/secret.ts'
import { apiKeyProblem } from './api-key.ts'
import { readEnvFile, withEnvFile } from './env-file.ts'
import { nameAsSet, readProxies, withCapitals } from './proxies.ts'
import { readSigningKeyFile, type SecretSource, secretFromFile } from './secret-file.ts'
import { tracingSettings } from './tracing.ts'
import { isAtLoopback } from './urls.ts'
import {
  doubleProblem,
  environmentSchema,
  parseVariables,
  port,
  SECRET_VARIABLES,
} from './variables.ts'

/** All problems of the environment. No message holds the value of a secret. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError'
  readonly problems: readonly string[]

  /** @param problems - one line each: variable, what is wrong, what to do */
  constructor(problems: readonly string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

/** The environment, read once at start-up. */
export type Environment = ReturnType<typeof asEnvironment>

export type Variables = Readonly<Record<string, string | undefined>>

/**
 * Reads and checks the environment. The only reader of `process.env`.
 *
 * @param variables - `process.env` unless a test says otherwise; a blank variable counts as unset
 * @throws {@link EnvironmentError} with every problem at once
 */
export function readEnvironment(variables: Variables = process.env): Environment {
  const { environment, problems } = checkEnvironment(variables)
  if (problems.length > 0) throw new EnvironmentError(problems)
  return environment
}

/**
 * Reads the environment even if it has problems, so that what the config file needs of it can be checked too.
 *
 * @param variables - as in {@link readEnvironment}
 * @returns the environment, in which a variable with a problem has a harmless value that needs nothing else
 */
export function checkEnvironment(variables: Variables = process.env) {
  const set = withoutBlanks(variables)
  const { data, error } = parseVariables(set)
  const problems = problemsOf(error, set)
  problems.push(...Object.keys(SECRET_VARIABLES).flatMap((name) => doubleProblem(set, name) ?? []))
  const signingKeys = readSigningKeyFile(set['SIGNING_KEY_FILE'], problems)
  return { environment: asEnvironment(data, { set, signingKeys }), problems }
}

/**
 * The variables of the process, and those of `.env` beside package.json that the process lacks.
 *
 * @returns with the problems of that file, one line each, and what it gave; undefined when there is no such file
 */
export function readServiceVariables() {
  const file = readEnvFile()
  if (file === undefined) return { variables: process.env, envFile: undefined, problems: [] }
  const { variables, use } = withEnvFile(process.env, file.variables)
  return { variables, envFile: use, problems: file.problems }
}

/**
 * Reads only the variables with which the config file is checked. The others may be wrong.
 *
 * @param variables - as in {@link readEnvironment}
 */
export function readConfigSources(
  variables: Variables = process.env,
): Pick<Environment, 'configFile' | 'secret'> {
  const set = withoutBlanks(variables)
  const { CONFIG_FILE } = environmentSchema.shape
  return { configFile: CONFIG_FILE.parse(set['CONFIG_FILE']), ...secretReader(set) }
}

/**
 * The variables that are not blank, without white space around them: lines with CRLF and mounted secrets end in
 * it. The record has no prototype, because a config file may name `constructor` as the variable that holds its key.
 *
 * @param variables - as in {@link readEnvironment}
 */
export function withoutBlanks(variables: Variables = process.env): Variables {
  const set = Object.entries(variables).flatMap(([name, value]) => {
    const text = value?.trim()
    return text ? [[name, text]] : []
  })
  return Object.assign(Object.create(null), withCapitals(Object.fromEntries(set)))
}

/** The variables, with another `CONFIG_FILE` where one is given. */
export function withConfigFile(
  variables: Variables = process.env,
  file: string | undefined,
): Variables {
  return file === undefined ? variables : { ...withoutBlanks(variables), CONFIG_FILE: file }
}

/**
 * Reads the variables of a schema alone.
 *
 * @param variables - as in {@link readEnvironment}
 * @throws {@link EnvironmentError} with every problem at once
 */
export function readVariables<S extends z.ZodType>(schema: S, variables?: Variables): z.output<S> {
  const set = withoutBlanks(variables)
  const { data, error } = schema.safeParse(set)
  if (data === undefined) throw new EnvironmentError(problemsOf(error, set))
  return data
}

/** The problems that a schema of variables found, one line each. */
function problemsOf(error: z.ZodError | undefined, set: Variables): string[] {
  return (error?.issues ?? []).map(
    ({ path, message }) => `${nameAsSet(path.join('.'), set)}: ${message}`,
  )
}

function asEnvironment(
  data: z.infer<typeof environmentSchema>,
  { set, signingKeys }: { readonly set: Variables; readonly signingKeys: SecretSource | undefined },
) {
  return {
    configFile: data.CONFIG_FILE,
    host: data.HOST,
    port: data.PORT,
    /** ChatKit API, without a trailing slash. */
    openaiBaseUrl: data.OPENAI_BASE_URL,
    openaiOrgId: data.OPENAI_ORG_ID,
    openaiProjectId: data.OPENAI_PROJECT_ID,
    store: data.STORE_URL,
    metricsHost: data.METRICS_HOST,
    /** 0 = no metrics listener. */
    metricsPort: data.METRICS_PORT,
    logLevel: data.LOG_LEVEL,
    /** When undefined: text on a terminal, JSON lines elsewhere. */
    logFormat: data.LOG_FORMAT,
    proxies: readProxies(data),
    /** `NODE_EXTRA_CA_CERTS`: the file that Node reads when the process starts. */
    extraAuthorities: set['NODE_EXTRA_CA_CERTS'],
    tracing: tracingSettings(set),
    /** Without a trailing slash. */
    publicUrl: data.PUBLIC_URL,
    /** Whether the API reference has forms that call this service. */
    docsTryIt: (data.DOCS_TRY_IT ?? (isAtLoopback(data.PUBLIC_URL) ? 'on' : 'off')) === 'on',
    /** Text of the private JWK set for self-hosted workflows; undefined when there is no such file. */
    signingKeys,
    ...secretReader(set),
  }
}

/**
 * Reads API keys, which rotate in their files. A text there that can be no key is not used.
 *
 * @param warn - called once for each such text
 */
export function apiKeyReader(
  { secret }: Pick<Environment, 'secret'>,
  warn: (line: string) => void,
): Environment['secret'] {
  return (name) => {
    const source = secret(name)
    if (source === undefined || source.isFixed) return source
    const onRefused = (problem: string) => warn(`${name}: ${problem}`)
    return lastUsable(source, source(), { problemOf: apiKeyProblem, onRefused })
  }
}

/** One source per name, so that a file is watched once and its last good value is shared. */
function secretReader(set: Variables) {
  const sources = new Map<string, SecretSource | undefined>()
  let warn = (_line: string) => {}
  const onLost = (line: string) => warn(line)
  return {
    /**
     * The secret in this variable or in the file its `_FILE` twin names; undefined when unset. Throws
     * {@link EnvironmentError} when both are set, `SecretFileError` when the file cannot be read.
     */
    secret(name: string): SecretSource | undefined {
      if (!sources.has(name)) sources.set(name, openSecret(set, name, onLost))
      return sources.get(name)
    },
    /** Sets what is called with a line for the log when the file of a secret in use cannot be read any more. */
    onLostFile: (given: (line: string) => void): void => {
      warn = given
    },
  }
}

function openSecret(
  set: Variables,
  name: string,
  onLost: (line: string) => void,
): SecretSource | undefined {
  const problem = doubleProblem(set, name)
  if (problem !== undefined) throw new EnvironmentError([problem])
  const plain = set[name]
  if (plain !== undefined) return fixedSecret(plain)
  const file = set[`${name}_FILE`]
  return file === undefined ? undefined : secretFromFile(`${name}_FILE`, file, { onLost })
}

/**
 * `PORT` alone, for commands that need no other setting.
 *
 * @param fallback - when unset
 * @throws {@link EnvironmentError} when it is no port
 */
export function readPort(fallback: number): number {
  return readVariables(z.object({ PORT: port(fallback) })).PORT
}

/** The npm script that started this process, such as `start`; undefined when none did. */
export const npmScript = process.env['npm_lifecycle_event']
