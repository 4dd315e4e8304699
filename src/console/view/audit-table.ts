import { html } from 'hono/html'
import type { AuditEntry } from '../../registry/records.ts'
import type { Addresses } from '../addresses.ts'
import { badge, code, moment, table } from './fragments.ts'
import type { Html } from './layout.ts'
import { userLink } from './session-table.ts'

/**
 * @param entries - from the registry
 * @param parts - where the console is, the time (Unix seconds), whether rows say whom it was done to
 */
export function auditTable(
  entries: readonly AuditEntry[],
  parts: { readonly addresses: Addresses; readonly now: number; readonly users: boolean },
): Html {
  const { addresses, now, users } = parts
  const columns = ['When', 'Action', ...(users ? ['User'] : []), 'By', 'Outcome', 'Details']
  const rows = entries.map((entry) => [
    moment(entry.at, now),
    html`<span class="action">${entry.action}</span>`,
    ...(users ? [entry.user === undefined ? '' : userLink(addresses, entry.user)] : []),
    html`<span class="user">${entry.actor}</span>`,
    badge(entry.outcome),
    html`${entry.reason ?? ''} ${entry.requestId === undefined ? '' : html`<small>${code(entry.requestId)}</small>`}`,
  ])
  return table({ caption: 'Audit trail, newest first', columns, rows, empty: 'Nothing yet.' })
}
