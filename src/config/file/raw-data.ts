/** A mapping of the config file before it is known to be right. */
export type RawMapping = Readonly<Record<string, unknown>>

/**
 * A value as a mapping; empty when it is something else, which the schema reports.
 *
 * @param value - from the file
 */
export function asMapping(value: unknown): RawMapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
}

/**
 * A value as a list; empty when it is something else.
 *
 * @param value - from the file
 */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/**
 * A value as text; undefined when it is something else.
 *
 * @param value - from the file
 */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
