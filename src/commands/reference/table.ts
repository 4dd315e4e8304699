// Writes a table of Markdown.

/**
 * @param head - titles of the columns
 * @param rows - cells of Markdown, each of one line
 */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(rowOf).join('\n')
}

/** A bar within a cell would end it. */
function rowOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}
