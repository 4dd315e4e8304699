// Reads `.env` beside package.json.

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseEnv } from 'node:util'

/** The content of a `.env`. */
export interface EnvFile {
  readonly variables: Readonly<Record<string, string | undefined>>
  /** One line each. */
  readonly problems: readonly string[]
}

const PACKAGE = fileURLToPath(new URL('../../package.json', import.meta.url))
const FILE = PACKAGE.replace(/package\.json$/, '.env')

/** @returns undefined when there is no such file */
export function readEnvFile(file = FILE): EnvFile | undefined {
  try {
    const variables = parseEnv(readFileSync(file, 'utf8'))
    const late = Object.keys(variables).filter((name) => name.startsWith('NODE_'))
    return { variables, problems: late.map(lateProblem) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    if (code === 'ENOENT') return undefined
    return { variables: {}, problems: [`.env: cannot be read (${code}); check its permissions`] }
  }
}

function lateProblem(name: string): string {
  return `.env: ${name}: Node has started by the time this file is read; set it in the environment of the process`
}

/**
 * The file's variables that the environment does not have. A secret and its `_FILE` twin count as one variable,
 * and so do both spellings of a proxy: otherwise the file could win over the environment.
 */
export function variablesBeside(
  environment: EnvFile['variables'],
  file: EnvFile['variables'],
): EnvFile['variables'] {
  const plain = (name: string) => name.toUpperCase().replace(/(?<=.)_FILE$/, '')
  const taken = new Set(Object.keys(environment).map(plain))
  return Object.fromEntries(Object.entries(file).filter(([name]) => !taken.has(plain(name))))
}
