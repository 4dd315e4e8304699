// Makes text that somebody else wrote safe to show in a reason: in the log, or on an operator's terminal.
import { scrub } from './log.ts'

/** Longest text shown, in characters. */
const MOST_CHARACTERS = 200
/** Most entries of a list shown, because a token can name thousands of audiences. */
const MOST_ENTRIES = 5

/**
 * The text in quotes: at most 200 characters of printable ASCII, and nothing that looks like a credential.
 *
 * @param text - never a token, a secret, a subject or a signature
 */
export function show(text: string): string {
  // A credential that begins within the bound is still recognised when it is cut behind it.
  const clean = scrub(text.slice(0, 2 * MOST_CHARACTERS))
  const start = clean.slice(0, MOST_CHARACTERS).replace(/[^\x20-\x7e]/g, '?')
  return text.length > MOST_CHARACTERS ? `"${start}…"` : `"${start}"`
}

/** The first five texts, each as {@link show} has it; `none` for an empty list. */
export function showAll(texts: readonly string[]): string {
  const more = texts.length > MOST_ENTRIES ? ', …' : ''
  return `${texts.slice(0, MOST_ENTRIES).map(show).join(', ') || 'none'}${more}`
}
