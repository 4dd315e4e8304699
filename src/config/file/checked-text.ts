import { z } from 'zod'

/**
 * A text with a check of ours, whose message says what to do.
 *
 * @param problemOf - what is wrong with a value; undefined when nothing is
 */
export function checkedText(problemOf: (value: string) => string | undefined): z.ZodString {
  return z.string().superRefine((value, context) => {
    const message = problemOf(value)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  })
}

/**
 * A text of a certain form.
 *
 * @param pattern - of the whole text
 * @param message - what it must be, as the end of a sentence
 */
export function patternText(pattern: RegExp, message: string): z.ZodString {
  return z.string().regex(pattern, { error: message })
}

/** A CEL expression; its content is checked apart, with the types that its place asks for. */
export const expression = z.string().min(1)

/** The name of an environment variable. */
export const environmentName = patternText(
  /^[A-Za-z_][A-Za-z0-9_]{0,127}$/,
  'must be the name of an environment variable, not its value',
)

/** The name by which clients ask for a workflow. */
export const workflowName = patternText(
  /^[a-z][a-z0-9-]{0,63}$/,
  'must be a name of at most 64 lower-case letters, digits and "-" that starts with a letter',
)
