// `npm run check-config`: checks a config file offline, and names the variables that the service will need besides.

import {
  type Environment,
  EnvironmentError,
  readConfigSources,
  readServiceVariables,
} from '../config/env.ts'
import { describeUse } from '../config/env-file.ts'
import { loadConfig } from '../config/file/load-config.ts'
import type { SecretLookup } from '../config/file/needed-secrets.ts'
import { ConfigError } from '../config/file/problems.ts'
import { asksForHelp } from '../config/no-arguments.ts'
import { SecretFileError } from '../config/secret-file.ts'
import type { Settings } from '../config/settings.ts'
import { settingsNotes } from '../config/settings-notes.ts'
import { readTextFile, whyUnread } from '../config/text-file.ts'
import { systemCode } from '../lib/errors.ts'
import { count } from '../lib/printable.ts'
import { EXIT } from './cli/exit.ts'

const USAGE = 'usage: npm run check-config -- FILE'

process.exitCode = run(process.argv.slice(2))

function run(args: readonly string[]): number {
  const [file, ...more] = args
  if (asksForHelp(file)) {
    process.stdout.write(`${USAGE}\n`)
    return EXIT.ok
  }
  if (file === undefined || file.startsWith('--') || more.length > 0)
    return fail(EXIT.scriptUsage, USAGE)
  const text = readConfig(file)
  if (text === undefined) return EXIT.config
  const { variables, envFile, problems } = readServiceVariables()
  if (problems.length > 0) process.stderr.write(`${problems.join('\n')}\n`)
  try {
    const { secret } = readConfigSources(variables)
    const secrets = lookUp(secret)
    const loaded = loadConfig(text, { file, secrets, toRun: true })
    if (envFile !== undefined) process.stdout.write(`.env: ${describeUse(envFile)}\n`)
    process.stdout.write(summarise(file, loaded))
    return problems.length > 0 ? EXIT.config : EXIT.ok
  } catch (error) {
    if (error instanceof ConfigError || error instanceof EnvironmentError) {
      return fail(EXIT.config, error.message)
    }
    throw error
  }
}

/** Checks only the secrets that are set and whose file can be read here; the others are named. */
function lookUp(secret: Environment['secret']): SecretLookup {
  return (name) => {
    try {
      return secret(name)?.() ?? 'unchecked'
    } catch (error) {
      if (error instanceof SecretFileError) return 'unchecked'
      throw error
    }
  }
}

function readConfig(file: string): string | undefined {
  try {
    return readTextFile(file)
  } catch (error) {
    const isThere = systemCode(error) !== 'ENOENT'
    const problem = isThere ? whyUnread(error, () => '') : 'does not exist'
    fail(EXIT.config, `${file}:1: (file): ${problem}`)
    return undefined
  }
}

function summarise(file: string, { settings, environment }: ReturnType<typeof loadConfig>): string {
  const issuers = count(settings.issuers.length, 'issuer')
  const workflows = count(settings.workflows.length, 'workflow')
  const needed = [...environment, ...needsBesides(settings)].join(', ') || 'nothing more'
  return [
    `${file}: ok: ${issuers}, ${workflows}; npm start needs ${needed}`,
    ...settingsNotes(settings).map((line) => `${file}: note: ${line}`),
    '',
  ].join('\n')
}

/** Variables that the service needs besides the secrets that the file names. */
function needsBesides({ workflows, console: signIn }: Settings): string[] {
  const selfHosted = workflows.some(({ kind }) => kind === 'self-hosted')
  if (!selfHosted && signIn === undefined) return []
  const keys = [
    ...(selfHosted ? ['SIGNING_KEY_FILE'] : []),
    ...(signIn ? ['CONSOLE_COOKIE_KEY'] : []),
  ]
  return ['PUBLIC_URL', `with Redis ${keys.join(' and ')}`]
}

function fail(exitCode: number, message: string): number {
  process.stderr.write(`${message}\n`)
  return exitCode
}
