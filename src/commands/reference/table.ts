// Writes a Markdown table.

/** @param rows - cells of Markdown, each of one line */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map(rowOf).join('\n')
}

/** Rows of names, as code, each with its meaning. */
export function codeRows(meanings: Iterable<readonly [string, string]>): string[][] {
  return Array.from(meanings, ([name, meaning]) => [`\`${name}\``, meaning])
}

/** Escapes bars, which would end a cell. */
function rowOf(cells: readonly string[]): string {
  return `| ${cells.map((cell) => withUrlsAsCode(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

/** Marks bare URLs as code, because they would become links, and in these texts they are examples. */
function withUrlsAsCode(cell: string): string {
  const parts = cell.split('`')
  const marked = parts.map((part, at) =>
    at % 2 === 0 ? part.replace(/https?:\/\/[^\s;,"')]+/g, '`$&`') : part,
  )
  return marked.join('`')
}
