// `npm run check-config`: checks a config file offline, and names the secrets that it needs.

import { readFileSync } from 'node:fs'
import { loadConfig } from '../config/file/load-config.ts'
import { ConfigError } from '../config/file/problems.ts'
import { widenedTrust } from '../config/widened-trust.ts'
import { EXIT } from './cli/exit.ts'

process.exitCode = run(process.argv.slice(2))

function run(args: readonly string[]): number {
  const [file, ...more] = args
  if (file === undefined || more.length > 0) {
    return fail(EXIT.scriptUsage, 'usage: npm run check-config -- FILE')
  }
  const text = readConfig(file)
  if (text === undefined) return EXIT.config
  try {
    process.stdout.write(summarise(file, loadConfig(text, { file })))
    return 0
  } catch (error) {
    if (error instanceof ConfigError) return fail(EXIT.config, error.message)
    throw error
  }
}

function readConfig(file: string): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file))
  } catch (error) {
    fail(EXIT.config, `${file}:1: (file): ${readProblem(error)}`)
    return undefined
  }
}

function readProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  if (code === 'ENOENT') return 'does not exist'
  if (code === 'ERR_ENCODING_INVALID_ENCODED_DATA') return 'is not UTF-8 text'
  return `cannot be read (${code})`
}

function summarise(file: string, { settings, environment }: ReturnType<typeof loadConfig>): string {
  const issuers = count(settings.issuers.length, 'issuer')
  const workflows = count(settings.workflows.length, 'workflow')
  const notes = widenedTrust(settings).map((line) => `${file}: note: ${line}\n`)
  return `${file}: ok: ${issuers}, ${workflows}; npm start needs ${environment.join(', ')}\n${notes.join('')}`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

function fail(exitCode: number, message: string): number {
  process.stderr.write(`${message}\n`)
  return exitCode
}
