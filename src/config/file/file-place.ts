// Notes about the location of a config file without errors. They name mistakes that happen when a shipped file
// is copied.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The line in which editors find the schema. */
const SCHEMA_LINE = /^# yaml-language-server: \$schema=(\S+)/m

/** One line for each thing that works now but will cause trouble later. */
export function placeNotes(file: string, text: string, root = ROOT): string[] {
  return [...schemaNotes(file, text, root), ...shippedNotes(file, root)]
}

/**
 * A note for an operator who has their own file beside the shipped one but did not name it in `CONFIG_FILE`.
 *
 * @returns nothing when `CONFIG_FILE` is set, or no other config file is there
 */
export function forgottenFiles(
  { CONFIG_FILE: named }: { readonly CONFIG_FILE?: string | undefined },
  root = '.',
): string[] {
  if (named?.trim()) return []
  const [first, ...more] = configFilesIn(join(root, 'config'))
  if (first === undefined) return []
  const others = [first, ...more].map((name) => `config/${name}`)
  const are = more.length === 0 ? 'is' : 'are'
  return [
    `CONFIG_FILE: is not set, so config/chatkit-mint.yaml was read, which came with the service; ${others.join(', ')} ${are} there too: set CONFIG_FILE=config/${first}`,
  ]
}

/** Names of config files other than the shipped one. They are recognised by their `issuers`. */
function configFilesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => /\.ya?ml$/.test(name))
  return names
    .filter((name) => name !== 'chatkit-mint.yaml')
    .filter((name) => hasIssuers(join(folder, name)))
    .toSorted()
}

function hasIssuers(file: string): boolean {
  try {
    return /^issuers:/m.test(readFileSync(file, 'utf8'))
  } catch {
    // It is a folder, or cannot be read.
    return false
  }
}

function schemaNotes(file: string, text: string, root: string): string[] {
  const named = SCHEMA_LINE.exec(text)?.[1]
  if (named === undefined || /^\w+:\/\//.test(named)) return []
  const folder = dirname(resolve(file))
  if (existsSync(resolve(folder, named))) return []
  const right = relative(folder, resolve(root, 'config/schema.json'))
  return [
    `$schema leads to ${named}, where nothing is, so that editors do not check the file; write $schema=${right}`,
  ]
}

/** In a clone git tracks the shipped file, so the next pull would stop at local changes. */
function shippedNotes(file: string, root: string): string[] {
  const isShipped = resolve(file) === resolve(root, 'config/chatkit-mint.yaml')
  if (!isShipped || !existsSync(resolve(root, '.git'))) return []
  return [
    'is the file that came with the service, so that git will stop an update at your changes; keep yours as config/local.yaml, which git leaves alone, and set CONFIG_FILE=config/local.yaml',
  ]
}
