// Finds the config files that an operator may have meant when `CONFIG_FILE` is not set.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

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
