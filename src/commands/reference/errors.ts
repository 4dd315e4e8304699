// The page about errors: below each code stands what the table of codes says of it, above what is written by hand.

import { readFileSync } from 'node:fs'
import { textOfCode } from '../../respond/codes.ts'

/** @returns the page as it is, with the first line of each section made anew */
export function errorsPage(): string {
  const page = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  return page.replace(
    /^## (\w+)\n\n\*\*.*$/gm,
    (_all, code: string) => `## ${code}\n\n${firstLine(code)}`,
  )
}

function firstLine(code: string): string {
  const text = textOfCode(code)
  if (text === undefined) throw new Error(`errors.md: there is no code ${code}`)
  const { status, title, detail, selfHosted } = text
  const other = selfHosted === undefined ? '' : ` With a self-hosted workflow: “${selfHosted}”`
  const line = `**${status}.** ${title}. Clients read: “${detail}”${other}`
  return line.replaceAll('<', '\\<')
}
