// Reads `.env` beside package.json.

import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'
import { systemCode } from '../lib/errors.ts'
import { readTextFile, whyUnread } from './text-file.ts'

interface EnvFile {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** One line for each problem. */
  readonly problems: readonly string[]
}

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url))
const FILE = PACKAGE.replace(/package\.json$/, '.env')

/** @returns undefined when there is no such file */
export function readEnvFile(file = FILE): EnvFile | undefined {
  try {
    const text = readTextFile(file)
    const variables = parseEnv(text)
    const late = Object.keys(variables).filter((name) => name.startsWith('NODE_'))
    return { variables, problems: [...late.map(lateProblem), ...colonProblems(text, variables)] }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    const problem = whyUnread(error, () => '; check its permissions')
    return { variables: {}, problems: [`.env: ${problem}`] }
  }
}

function lateProblem(name: string): string {
  return `.env: ${name}: Node has started by the time this file is read; set it in the environment of the process`
}

/** Node skips lines such as `PORT: 8787`, which YAML and Compose would read. A value of several lines may have them. */
function colonProblems(text: string, variables: EnvFile['variables']): string[] {
  const values = Object.values(variables).join('\n')
  const lines = text.split('\n').filter((line) => !values.includes(line.trim()))
  return lines.flatMap((line) => {
    const name = /^\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*:/.exec(line)?.[1]
    return name === undefined ? [] : [`.env: ${name}: stands before a colon; write ${name}=value`]
  })
}

/** Names of the file's variables that count, and of those that do not. */
export interface EnvFileUse {
  readonly given: readonly string[]
  /** The environment has another value, which wins. */
  readonly overridden: readonly string[]
}

/**
 * The environment, and the variables of the file that it does not have. A secret and its `_FILE` twin count as one
 * variable, and so do both spellings of a proxy: otherwise the file could win over the environment.
 */
export function withEnvFile(environment: EnvFile['variables'], file: EnvFile['variables']) {
  const plain = (name: string) => name.toUpperCase().replace(/(?<=.)_FILE$/, '')
  const taken = new Set(Object.keys(environment).map(plain))
  const names = Object.keys(file)
  const given = names.filter((name) => !taken.has(plain(name)))
  const others = names.filter((name) => taken.has(plain(name)))
  const overridden = others.filter((name) => environment[name] !== file[name])
  const added = Object.fromEntries(given.map((name) => [name, file[name]]))
  const use: EnvFileUse = { given, overridden }
  return { variables: { ...added, ...environment }, use }
}

/** For a person who reads the output of a command. */
export function describeUse({ given, overridden }: EnvFileUse): string {
  const wins = overridden.length === 0 ? '' : `; the environment wins for ${overridden.join(', ')}`
  return `read; it gives ${given.join(', ') || 'nothing more'}${wins}`
}
