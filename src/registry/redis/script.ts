import { createHash } from 'node:crypto'

/** A Lua script and the name under which Redis keeps it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

/**
 * @param text - Lua; it touches no key but those in `KEYS`
 */
export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
