// Reads the config file: YAML, then every check, then settings. All problems are reported together.

import { readRandomKey, Secret } from '../../lib/secret.ts'
import { reportExpressionProblems } from '../expressions/checks.ts'
import { type Compile, createCompiler } from '../expressions/expressions.ts'
import { createPseudonym, type Pseudonym } from '../expressions/pseudonym.ts'
import { reportBackendProblems } from './backend-checks.ts'
import { buildSettings } from './build-settings.ts'
import { reportConsoleProblems } from './console-checks.ts'
import { reportIssuerProblems } from './issuer-checks.ts'
import {
  neededSecrets,
  PSEUDONYM_KEY,
  reportMissingSecrets,
  type SecretLookup,
} from './needed-secrets.ts'
import { reportPlaceholders, reportUnfilled } from './placeholders.ts'
import {
  asMapping,
  ConfigError,
  type ConfigNeeds,
  type ConfigProblem,
  formatPath,
  type Path,
  type RawMapping,
} from './problems.ts'
import type { ConfigFile } from './schema.ts'
import { reportSchemaProblems } from './schema-problems.ts'
import { reportWorkflowProblems } from './workflow-checks.ts'
import { readYaml, type YamlFile } from './yaml-file.ts'

interface LoadOptions {
  /** Name of the file in messages. */
  readonly file: string
  /** The environment's secrets; absent for an offline check, which needs none. */
  readonly secrets?: SecretLookup
  /** Whether the service will run with this file; then placeholders of the shipped files are errors. */
  readonly toRun?: boolean
}

/**
 * Reads the config file and reports all of its problems at once.
 *
 * @param text - the file's content, YAML
 * @returns `environment`: names of the variables with the secrets that the service needs, each once
 * @throws {@link ConfigError} with every problem, in the file's order
 */
export function loadConfig(text: string, options: LoadOptions) {
  const yaml = readYaml(text)
  const problemsOfYaml = (yaml.problems ?? []).map(({ line, path, message }) => ({
    file: options.file,
    line,
    key: formatPath(path),
    message,
  }))
  if (!('data' in yaml)) throw new ConfigError(problemsOfYaml)
  const compile = createCompiler(pseudonymFrom(options.secrets))
  const needs = needsOf(asMapping(yaml.data))
  const { problems, environment, parsed } = check(yaml, compile, options)
  const isNew = ({ line, key }: ConfigProblem): boolean =>
    !problemsOfYaml.some((known) => known.line === line && known.key === key)
  const all = [...problemsOfYaml, ...problems.filter(isNew)].sort(
    (one, other) => one.line - other.line,
  )
  if (parsed === undefined || all.length > 0) throw new ConfigError(all, needs)
  return { settings: buildSettings(parsed, compile), environment, needs }
}

function needsOf(data: RawMapping): ConfigNeeds {
  const workflows = Object.entries(asMapping(data['workflows']))
  const own = workflows.find(([, workflow]) => asMapping(workflow)['server'] !== undefined)
  return { selfHosted: own?.[0], console: data['console'] !== undefined }
}

function check(
  yaml: YamlFile,
  compile: Compile,
  { file, secrets, toRun }: LoadOptions,
): { problems: ConfigProblem[]; environment: string[]; parsed: ConfigFile | undefined } {
  const problems: ConfigProblem[] = []
  const report = (path: Path, message: string): void => {
    problems.push({ file, line: yaml.lineOf(path), key: formatPath(path), message })
  }
  const data = asMapping(yaml.data)
  const parsed = reportSchemaProblems(yaml.data, report)
  reportIssuerProblems(data, report)
  reportConsoleProblems(data, report)
  reportWorkflowProblems(data, report)
  reportBackendProblems(data, report)
  reportUnfilled(data, report)
  if (toRun) reportPlaceholders(data, report)
  const expressions = reportExpressionProblems(data, compile, report)
  const needed = neededSecrets(data, expressions)
  if (secrets !== undefined) reportMissingSecrets(needed, secrets, report)
  return { problems, environment: [...new Set(needed.map(({ name }) => name))], parsed }
}

function pseudonymFrom(secrets: SecretLookup | undefined): Pseudonym | undefined {
  const secret = secrets?.(PSEUDONYM_KEY, 'pseudonym_key')
  const key = secret instanceof Secret ? readRandomKey(secret.reveal()) : undefined
  return key === undefined ? undefined : createPseudonym(key)
}
