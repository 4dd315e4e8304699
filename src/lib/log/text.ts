// Turns a JSON line of the log into text for people: time, level, message, and the rest as name=value.

import { escapeInJson, printable } from '../printable.ts'

/** Names of pino's levels. */
const LEVELS: Readonly<Record<string, string>> = {
  10: 'TRACE',
  20: 'DEBUG',
  30: 'INFO ',
  40: 'WARN ',
  50: 'ERROR',
  60: 'FATAL',
}

/**
 * One line, and below it, indented, the stacks of errors. Control characters are escaped, so that a message
 * cannot imitate another line or control a terminal.
 *
 * @param json - a line that pino wrote
 */
export function logText(json: string): string {
  const line: Record<string, unknown> = JSON.parse(json)
  const { level, time, msg, ...rest } = line
  const stacks: string[] = []
  const pairs = Object.entries(rest).map(([name, value]) => {
    return `${printable(name)}=${valueText(withoutStacks(value, stacks))}`
  })
  const at = new Date(Number(time)).toISOString()
  const words = [at, LEVELS[String(level)] ?? level, printable(String(msg ?? '')), ...pairs]
  return [words.join(' '), ...stacks].map((text) => `${text}\n`).join('')
}

/** A single word unchanged, anything else as JSON. */
function valueText(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"'=\p{C}]+$/u.test(value)) return value
  return escapeInJson(JSON.stringify(value))
}

/** A copy of an error without its stack and those of its causes, which are added to `stacks`. */
function withoutStacks(value: unknown, stacks: string[]): unknown {
  if (typeof value !== 'object' || value === null || !('stack' in value)) return value
  const { stack, ...rest } = value
  stacks.push(
    ...String(stack)
      .split('\n')
      .map((line) => `    ${printable(line.trim())}`),
  )
  return 'cause' in rest ? { ...rest, cause: withoutStacks(rest.cause, stacks) } : rest
}
