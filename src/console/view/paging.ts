// Queries and links of the console's lists, which are read page by page.

import { html } from 'hono/html'
import { z } from 'zod'
import type { AppContext } from '../../http/context.ts'
import { ServiceError } from '../../lib/errors.ts'
import type { Page } from '../../registry/records.ts'
import { PageError } from '../error-page.ts'
import type { Html } from './layout.ts'

/** Rows of a page of the console. */
export const PAGE_ROWS = 50

/**
 * A field of a form; undefined when it is empty. Blanks stay: ` alice` is not `alice`, and a link from one
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
 * The query of a page. Unlike the API it ignores unknown parameters: links get decorated.
 *
 * @throws `invalid_request`
 */
export function queryOf<S extends z.ZodType>(c: AppContext, schema: S): z.output<S> {
  const parsed = schema.safeParse(c.req.query())
  if (parsed.success) return parsed.data
  throw new ServiceError('invalid_request', { reason: 'a query that the page does not know' })
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

/** A page of a list. */
interface Position {
  /** Path and query without cursors. */
  readonly base: string
  readonly after: string | undefined
  readonly before: string | undefined
  readonly first: string | undefined
  readonly last: string | undefined
  readonly hasMore: boolean
}

/**
 * Links to the neighbouring pages. A page that was asked for by `before` has older entries behind it, and
 * its `hasMore` is about newer ones.
 */
export function pager({ base, after, before, first, last, hasMore }: Position): Html {
  const backwards = after === undefined && before !== undefined
  const newer = backwards ? hasMore : after !== undefined
  const older = backwards || hasMore
  if (!newer && !older) return html``
  const link = (name: string, cursor: string) => {
    const [path = '', query] = base.split('?')
    const parameters = new URLSearchParams(query)
    parameters.set(name, cursor)
    return `${path}?${parameters}`
  }
  return html`<nav class="pager" aria-label="Pages">
${newer ? html`<a href="${base}">Newest</a>` : ''}
${newer && first !== undefined ? html`<a rel="prev" href="${link('before', first)}">Newer</a>` : ''}
${older && last !== undefined ? html`<a rel="next" href="${link('after', last)}">Older</a>` : ''}
</nav>`
}
