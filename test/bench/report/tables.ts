import type { Spread } from './statistics.ts'

/** A Markdown table; the first column is text, the others are figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = head.map((_, column) => (column === 0 ? '---' : '--:'))
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

/** A figure with the digits that are significant; a dash when there is none. */
export function figure(value: number | undefined, digits = 0): string {
  return value === undefined || Number.isNaN(value) ? '–' : value.toFixed(digits)
}

/** `median (least–most)`. */
export function withSpread({ median, least, most }: Spread, digits = 0): string {
  const [middle, low, high] = [median, least, most].map((value) => figure(value, digits))
  return `${middle} (${low}–${high})`
}

/** `1.23 ×`. */
export function times(ratio: number | undefined): string {
  return ratio === undefined || Number.isNaN(ratio) ? '–' : `${ratio.toFixed(2)} ×`
}
