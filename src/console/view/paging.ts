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

/** Cursors of all lists of the console. */
export const cursors = { after: optionalText, before: optionalText }

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

/** Cursors of a list that is read forward only. `trail` holds the cursors of the pages before. */
export const forwardCursors = { after: optionalText, trail: optionalText }

/** Most cursors in a trail, so that the address fits into what browsers and proxies accept. */
const MOST_TRAIL = 25

/** Links to the pages before and after, in a list that is read forward only. */
export function forwardPager({
  base,
  after,
  trail,
  older,
}: {
  /** Path and query without cursors. */
  readonly base: string
  readonly after: string | undefined
  /** Cursors of the pages before, the oldest first. */
  readonly trail: string | undefined
  /** The cursor of the next page; undefined when there is none. */
  readonly older: string | undefined
}): Html {
  const before = trail?.split(' ') ?? []
  const link = (cursors: readonly (string | undefined)[]) => {
    const known = cursors.filter((cursor) => cursor !== undefined)
    const walked = known.slice(-MOST_TRAIL, -1).join(' ')
    return linkWith(base, { after: known.at(-1) ?? '', trail: walked })
  }
  if (after === undefined && older === undefined) return html``
  return html`<nav class="pager" aria-label="Pages">
${after === undefined ? '' : html`<a href="${base}">Newest</a>`}
${before.length === 0 ? '' : html`<a rel="prev" href="${link(before)}">Newer</a>`}
${older === undefined ? '' : html`<a rel="next" href="${link([...before, after, older])}">Older</a>`}
</nav>`
}

/** The position of a page in its list. */
interface Position {
  /** Path and query without cursors. */
  readonly base: string
  readonly after: string | undefined
  readonly before: string | undefined
  readonly first: string | undefined
  readonly last: string | undefined
  readonly hasMore: boolean
  /** Labels of the links to the first, the previous and the next page. */
  readonly labels?: readonly [string, string, string] | undefined
}

/**
 * Links to the pages before and after. For a page requested with `before`, older entries exist, and `hasMore` tells
 * about newer ones. A page without entries links to the first page, because the entries before it may be gone.
 */
export function pager({ base, after, before, hasMore, ...page }: Position): Html {
  const { first, last, labels = ['Newest', 'Newer', 'Older'] } = page
  const backwards = after === undefined && before !== undefined
  const newer = backwards ? hasMore : after !== undefined
  const older = backwards || hasMore
  if (!newer && !older) return html``
  return html`<nav class="pager" aria-label="Pages">
${newer || first === undefined ? html`<a href="${base}">${labels[0]}</a>` : ''}
${newer && first !== undefined ? html`<a rel="prev" href="${linkWith(base, { before: first })}">${labels[1]}</a>` : ''}
${older && last !== undefined ? html`<a rel="next" href="${linkWith(base, { after: last })}">${labels[2]}</a>` : ''}
</nav>`
}

function linkWith(base: string, cursors: Readonly<Record<string, string>>): string {
  const [path = '', query = ''] = base.split('?')
  const parameters = { ...Object.fromEntries(new URLSearchParams(query)), ...cursors }
  return `${path}?${new URLSearchParams(parameters)}`
}
