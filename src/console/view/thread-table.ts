import { html } from 'hono/html'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { Addresses } from '../addresses.ts'
import { badge, code, moment, table } from './fragments.ts'
import type { Html } from './layout.ts'

/**
 * @param threads - of one user
 * @param parts - where the console is, the time (Unix seconds)
 */
export function threadTable(
  threads: readonly Thread[],
  { addresses, now }: { readonly addresses: Addresses; readonly now: number },
): Html {
  const rows = threads.map((thread) => [
    html`<a href="${addresses.root}/threads/${encodeURIComponent(thread.id)}">${thread.title ?? 'Without a title'}</a>`,
    badge(thread.status.type),
    moment(Math.floor(thread.created_at), now),
    code(thread.id),
  ])
  return table({
    caption: 'Threads, newest first',
    columns: ['Title', 'Status', 'Began', 'Id'],
    rows,
    empty: 'No threads.',
  })
}
