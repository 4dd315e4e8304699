// Queries and links of the console's lists, which are read page by page.

import { html } from 'hono/html'
import { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import type { Page } from '../../registry/records.ts'
import { PageError } from '../error-page.ts'
import type { Html } from './layout.ts'

export const PAGE_ROWS = 50

/**
 * A field of a form; undefined when it is empty. Spaces stay: ` alice` is not `alice`, and a link from one
 * user's page must not lead to another's sessions.
 */
export const optionalText = z
  .string()
  .max(2048)
  .optional()
  .transform((text) => text || undefined)

/** Cursors of all lists of the console, which are read forward only. `trail` holds the cursors of the pages before. */
export const cursors = { after: optionalText, trail: optionalText }

/**
 * The query of a page. Unlike the API, pages ignore unknown parameters, because mail and chat programs add
 * parameters to links.
 *
 * @throws `invalid_request`
 */
export function queryOf<S extends z.ZodType>(c: AppContext, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.query())
  if (parsed.success) return parsed.data
  const names = new Set(parsed.error.issues.map(({ path }) => String(path[0])))
  throw new PageError('invalid_request', {
    reason: 'a query that the page does not know',
    heading: 'This address cannot be read',
    advice: `The page knows no such value of ${[...names].join(', ')}. Open it anew, and choose again.`,
    action: { href: '?', label: 'Open the page anew' },
  })
}

/**
 * @param page - undefined when the entry that the cursor names is gone
 * @param start - address of the list's first page
 * @throws {@link PageError} instead of an undefined page
 */
export function pageOrStart<T>(page: Page<T> | undefined, start: string): Page<T> {
  if (page !== undefined) return page
  throw new PageError('invalid_request', {
    reason: 'the cursor is of no entry',
    heading: 'The list has moved on',
    advice: 'The entry that this page begins at is gone.',
    action: { href: start, label: 'Back to the start of the list' },
  })
}

/** Longest trail as an address has it, so that the address fits into what browsers and proxies accept. */
const MOST_TRAIL = 2000

/** Links to the pages before and after. */
export function pager({
  base,
  after,
  trail,
  next,
}: {
  /** Path and query without cursors. */
  readonly base: string
  readonly after: string | undefined
  /** Cursors of the pages before, the oldest first; no cursor has the line feed between them. */
  readonly trail: string | undefined
  /** The cursor of the next page; undefined when there is none. */
  readonly next: string | undefined
}): Html {
  if (after === undefined && next === undefined) return html``
  const before = trail?.split('\n') ?? []
  const link = (...known: readonly (string | undefined)[]) => {
    const walked = known.filter((cursor) => cursor !== undefined)
    const last = walked.pop()
    return last === undefined ? base : linkWith(base, { after: last, trail: joined(walked) })
  }
  const back = html`<a href="${base}">First</a> <a rel="prev" href="${link(...before)}">Previous</a>`
  return html`<nav class="pager" aria-label="Pages">
${after === undefined ? '' : back}
${next === undefined ? '' : html`<a rel="next" href="${link(...before, after, next)}">Next</a>`}
</nav>`
}

/** The latest cursors, those that fit into the longest trail. */
function joined(cursors: readonly string[]): string {
  const [last, ...earlier] = cursors.toReversed()
  let trail = last ?? ''
  for (const cursor of earlier) {
    const longer = `${cursor}\n${trail}`
    if (encodeURIComponent(longer).length > MOST_TRAIL) break
    trail = longer
  }
  return trail
}

function linkWith(base: string, cursors: Readonly<Record<string, string>>): string {
  const [path = '', query = ''] = base.split('?')
  const parameters = { ...Object.fromEntries(new URLSearchParams(query)), ...cursors }
  return `${path}?${new URLSearchParams(parameters)}`
}
