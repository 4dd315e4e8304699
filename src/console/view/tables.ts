// Tables of sessions, threads and audit entries.

import { html } from 'hono/html'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { AuditEntry } from '../../registry/audit-entry.ts'
import type { SessionRecord } from '../../registry/records.ts'
import { presentSession } from '../../respond/views.ts'
import type { Addresses } from '../addresses.ts'
import { actorName, badge, code, distance, shortened, table, when, whole } from './fragments.ts'
import type { Html } from './layout.ts'

interface SessionTableParts {
  readonly addresses: Addresses
  readonly caption: string
  readonly empty: string
  /** Unix seconds. */
  readonly now: number
  /** Whether each row names its user. */
  readonly users: boolean
}

/** Sessions, each with a link, and one to the page that cancels it while it is active. */
export function sessionTable(records: readonly SessionRecord[], parts: SessionTableParts): Html {
  const { addresses, caption, empty, now, users } = parts
  const columns = ['Session', ...(users ? ['User'] : []), 'Workflow', 'Status', 'Began', 'Ends', '']
  const rows = records.map((record) => {
    const view = presentSession(record, now)
    const path = `${addresses.root}/sessions/${encodeURIComponent(view.id)}`
    return [
      html`<a href="${path}">${code(shortId(view.id))}</a>`,
      ...(users ? [userLink(addresses, view.user)] : []),
      view.workflow,
      html`${badge(view.status)} ${confirmed(record, now)}`,
      when(view.created_at, now),
      when(view.expires_at, now),
      view.status === 'active' ? cancelButton(view, parts) : '',
    ]
  })
  return table({ caption, columns: columns.map((name) => name || 'Action'), rows, empty })
}

/** The state of a cancel upstream, and who asked for it. */
function confirmed({ status, confirmedAt, endedBy }: SessionRecord, now: number): Html {
  if (status !== 'cancelling' && status !== 'cancelled') return html``
  const by = endedBy === undefined ? '' : html` by ${actorName(endedBy)}`
  const unconfirmed = status === 'cancelling' ? 'not confirmed yet' : 'not confirmed'
  return html`<small>${confirmedAt === undefined ? unconfirmed : html`confirmed ${distance(confirmedAt, now)}`}${by}</small>`
}

/** The link leads to the whole id; ids differ in their first characters. */
function shortId(id: string): string {
  return id.length > 22 ? `${id.slice(0, 21)}…` : id
}

/** A link to a user's page. The user may have any characters: the text is escaped, the address encoded. */
export function userLink(addresses: Addresses, user: string): Html {
  return html`<bdi class="user"><a href="${addresses.userPage(user)}"${whole(user)}>${shortened(user)}</a></bdi>`
}

/** The link to the page that cancels a session. */
export function cancelButton(
  view: { readonly id: string },
  { addresses }: Pick<SessionTableParts, 'addresses'>,
): Html {
  const path = `${addresses.root}/sessions/${encodeURIComponent(view.id)}/cancel`
  return html`<a class="button danger small" href="${path}" aria-label="Cancel session ${view.id}…">Cancel…</a>`
}

/** Threads, each with a link to its items; `users` says whether each row names its user. */
export function threadTable(
  threads: readonly Thread[],
  {
    addresses,
    now,
    users,
  }: { readonly addresses: Addresses; readonly now: number; readonly users: boolean },
): Html {
  const rows = threads.map((thread) => [
    html`<a href="${addresses.root}/threads/${encodeURIComponent(thread.id)}">${thread.title ?? 'Without a title'}</a>`,
    ...(users ? [userLink(addresses, thread.user)] : []),
    badge(thread.status.type),
    when(Math.floor(thread.created_at), now),
    code(thread.id),
  ])
  return table({
    caption: 'Threads, newest first',
    columns: ['Title', ...(users ? ['User'] : []), 'Status', 'Began', 'Id'],
    rows,
    empty: 'No threads.',
  })
}

/** Audit entries; `users` says whether each row names the user it is about. */
export function auditTable(
  entries: readonly AuditEntry[],
  {
    addresses,
    now,
    users,
    empty = 'Nothing yet.',
  }: {
    readonly addresses: Addresses
    readonly now: number
    readonly users: boolean
    readonly empty?: string
  },
): Html {
  const columns = ['When', 'Action', ...(users ? ['User'] : []), 'By', 'Outcome', 'Details']
  const rows = entries.map((entry) => [
    when(entry.at, now),
    html`<span class="action">${entry.action}</span>`,
    ...(users
      ? [entry.user === undefined ? erasedOr(entry, 'user') : userLink(addresses, entry.user)]
      : []),
    entry.actor === undefined ? ERASED : actorLink(addresses, entry.actor),
    badge(entry.outcome),
    html`${entry.reason ?? erasedOr(entry, 'reason')} ${entry.requestId === undefined ? '' : html`<small>${code(entry.requestId)}</small>`}`,
  ])
  return table({ caption: 'Audit, newest first', columns, rows, empty })
}

/** Stands where an erase took what was there; the hash of the entry still proves it. */
const ERASED = html`<em class="soft">erased</em>`

function erasedOr({ chain }: AuditEntry, field: 'user' | 'reason'): Html {
  return chain?.erased?.[field] === undefined ? html`` : ERASED
}

/** A link to what an actor did. */
export function actorLink({ root }: Addresses, actor: string): Html {
  const href = `${root}/audit?${new URLSearchParams({ actor })}`
  return html`<bdi class="user"><a href="${href}"${whole(actor)}>${shortened(actor)}</a></bdi>`
}
