// Tables of threads and audit entries, and the links of their cells.

import { html } from 'hono/html'
import type { Thread } from '../../chatkit/wire/thread.ts'
import type { AuditEntry } from '../../registry/audit-entry.ts'
import type { Addresses } from '../addresses.ts'
import {
  actorName,
  actorParts,
  badge,
  code,
  issuerName,
  shortened,
  shortId,
  table,
  when,
  whole,
} from './fragments.ts'
import type { Html } from './layout.ts'

/** A link to a user's page. The user may have any characters: the text is escaped, the address encoded. */
export function userLink(addresses: Addresses, user: string): Html {
  return html`<bdi class="user"><a href="${addresses.userPage(user)}"${whole(user)}>${shortened(user)}</a></bdi>`
}

/** The title of a thread, which a server may leave empty or fill with blanks. */
export function titleOf({ title }: Pick<Thread, 'title'>): string {
  return title !== null && VISIBLE.test(title) ? title : 'Without a title'
}

/** A character that can be seen. */
const VISIBLE = /[\p{L}\p{N}\p{P}\p{S}]/u

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
    html`<span class="text"><a href="${addresses.threadPage(thread.id)}">${titleOf(thread)}</a></span>`,
    ...(users ? [userLink(addresses, thread.user)] : []),
    badge(thread.status.type),
    when(Math.floor(thread.created_at), now),
    html`<span title="${thread.id}">${code(shortId(thread.id))}</span>`,
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
    empty = 'No entry yet.',
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
    html`<span class="text">${entry.reason ?? erasedOr(entry, 'reason')}</span> ${entry.requestId === undefined ? '' : html`<small>${code(entry.requestId)}</small>`}`,
  ])
  return table({ caption: 'Audit, newest first', columns, rows, empty })
}

/** Shown for a value that an erase removed; the hash of the entry still covers it. */
const ERASED = html`<em class="soft">erased</em>`

function erasedOr({ chain }: AuditEntry, field: 'user' | 'reason'): Html | '' {
  return chain?.erased?.[field] === undefined ? '' : ERASED
}

/** A link to the audit entries of an actor. */
export function actorLink({ root }: Addresses, actor: string): Html {
  const href = `${root}/audit?${new URLSearchParams({ actor })}`
  const { issuer, subject } = actorParts(actor)
  const by = subject === '' ? '' : html` <small>${issuerName(issuer)}</small>`
  return html`<a class="user" href="${href}">${actorName(actor)}</a>${by}`
}
