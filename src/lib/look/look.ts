// The look that docs, console and demo share: a style sheet and an icon, which each serves below its own path.
// They are in lib because none of the three may import another.

import { readFileSync } from 'node:fs'

/** @param own - the file with the rules of these pages only, which follow the shared ones */
export function styleSheet(own: URL): string {
  return read(new URL('look.css', import.meta.url)) + read(own)
}

export function icon(): string {
  return read(new URL('icon.svg', import.meta.url))
}

function read(file: URL): string {
  return readFileSync(file, 'utf8')
}
