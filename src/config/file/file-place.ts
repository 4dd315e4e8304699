// Says what is wrong with the place of a config file that is otherwise right: mistakes of somebody who copies one.

import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))

/** The line by which editors find the schema. */
const SCHEMA_LINE = /^# yaml-language-server: \$schema=(\S+)/m

/**
 * One line for each thing that works and will be a nuisance.
 *
 * @param file - its path
 * @param text - its content
 * @param root - folder of the service
 */
export function placeNotes(file: string, text: string, root = ROOT): string[] {
  return [...schemaNotes(file, text, root), ...shippedNotes(file, root)]
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

/** In a clone the shipped file is git's: the next pull stops at it. */
function shippedNotes(file: string, root: string): string[] {
  const isShipped = resolve(file) === resolve(root, 'config/chatkit-mint.yaml')
  if (!isShipped || !existsSync(resolve(root, '.git'))) return []
  return [
    'is the file that came with the service, so that git will stop an update at your changes; keep yours as config/local.yaml, which git leaves alone, and set CONFIG_FILE=config/local.yaml',
  ]
}
