// Makes the page about errors. The first line below each code comes from the table of codes; the rest is
// written by hand.

import { readFileSync } from 'node:fs'
import { textOfCode } from '../../respond/codes.ts'

/** @returns the current page, with a new first line in each section */
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
