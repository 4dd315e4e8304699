import { html } from 'hono/html'
import type { SessionRecord } from '../../registry/records.ts'
import { presentSession, type SessionView } from '../../respond/views.ts'
import type { Addresses } from '../addresses.ts'
import type { AdminSession } from '../sign-in/admin-session.ts'
import { badge, code, moment, table } from './fragments.ts'
import { csrfField, type Html } from './layout.ts'

/** What a table of sessions is drawn with. */
export interface SessionTableParts {
  readonly addresses: Addresses
  readonly session: AdminSession
  readonly caption: string
  readonly empty: string
  /** Unix seconds. */
  readonly now: number
  /** Whether each row says whose it is. */
  readonly users: boolean
}

/**
 * @param records - from the registry
 * @param parts - captions, and whose console it is
 */
export function sessionTable(records: readonly SessionRecord[], parts: SessionTableParts): Html {
  const { addresses, caption, empty, now, users } = parts
  const columns = ['Session', ...(users ? ['User'] : []), 'Workflow', 'Status', 'Began', 'Ends', '']
  const rows = records.map((record) => {
    const view = presentSession(record, now)
    const path = `${addresses.root}/sessions/${encodeURIComponent(view.id)}`
    return [
      html`<a href="${path}">${code(shortened(view.id))}</a>`,
      ...(users ? [userLink(addresses, view.user)] : []),
      view.workflow,
      badge(view.status),
      moment(view.created_at, now),
      moment(view.expires_at, now),
      view.status === 'active' ? cancelButton(view, parts) : '',
    ]
  })
  return table({ caption, columns: columns.map((name) => name || 'Action'), rows, empty })
}

/** The whole of it is one click away; ids differ in their first characters. */
function shortened(id: string): string {
  return id.length > 22 ? `${id.slice(0, 21)}…` : id
}

/** @param user - of any characters: it is escaped here and encoded in the link */
export function userLink(addresses: Addresses, user: string): Html {
  return html`<a class="user" href="${addresses.userPage(user)}">${user}</a>`
}

/**
 * The button that takes one session back.
 *
 * @param view - which
 * @param parts - whose console it is
 */
export function cancelButton(
  view: SessionView,
  { addresses, session }: Pick<SessionTableParts, 'addresses' | 'session'>,
): Html {
  const path = `${addresses.root}/sessions/${encodeURIComponent(view.id)}/cancel`
  return html`<form method="post" action="${path}">${csrfField(session)}<button class="danger small" aria-label="Cancel session ${view.id}">Cancel</button></form>`
}
