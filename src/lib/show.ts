// Makes untrusted texts and errors safe to show in a reason: in the log, or on an operator's terminal.

import { codeIn, ServiceError } from './errors.ts'
import { scrub } from './secret.ts'

/** Longest text shown, in characters. */
const MOST_CHARACTERS = 200
/** Most entries of a list shown, because a token can name thousands of audiences. */
const MOST_ENTRIES = 5
/** Most errors of a chain of causes that are shown. */
const MOST_CAUSES = 8

/**
 * The text in quotes: at most 200 characters of printable ASCII, and nothing that looks like a credential.
 *
 * @param text - never a token, a secret, a subject or a signature
 */
export function show(text: string): string {
  // Twice the bound, so that a credential that begins within the bound is still recognised.
  const clean = scrub(text.slice(0, 2 * MOST_CHARACTERS))
  const start = clean.slice(0, MOST_CHARACTERS).replace(/[^\x20-\x7e]/g, '?')
  return text.length > MOST_CHARACTERS ? `"${start}…"` : `"${start}"`
}

/** The first five texts, each as {@link show} has it; `none` for an empty list. */
export function showAll(texts: readonly string[]): string {
  const more = texts.length > MOST_ENTRIES ? ', …' : ''
  return `${texts.slice(0, MOST_ENTRIES).map(show).join(', ') || 'none'}${more}`
}

/**
 * An error in full, for operators: its reason and those of its causes. Anything that looks like a credential is
 * redacted.
 */
export function reasonOf(error: unknown): string {
  return scrub(inFull(error))
}

/**
 * For a line of the log: the reasons of a failure that was foreseen are enough; only an unforeseen one needs its stack.
 * A store's failure is `store_unavailable` also when a fault of our own caused it.
 */
export function whyOf(error: unknown) {
  if (!(error instanceof ServiceError)) return { err: error }
  const { cause } = error
  const isFault = [TypeError, RangeError, ReferenceError].some((kind) => cause instanceof kind)
  return isFault ? { err: error } : { reason: reasonOf(error) }
}

/** Each reason once, because many errors repeat that of their cause. */
function inFull(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  let text = ''
  let depth = 0
  for (let one: unknown = error; one instanceof Error && depth < MOST_CAUSES; one = one.cause) {
    // After the first line, the CEL library draws the expression.
    const message = one.message.split('\n', 1)[0] ?? ''
    const own = one instanceof ServiceError ? one.reason : message || (codeIn(one) ?? one.name)
    if (!text.includes(own)) text += text === '' ? own : `: ${own}`
    depth += 1
  }
  return text
}
