// The table of sessions, with a menu in each row.

import { html } from 'hono/html'
import type { SessionRecord } from '../../registry/records.ts'
import { presentSession } from '../../respond/views.ts'
import type { Addresses } from '../addresses.ts'
import {
  actorName,
  badge,
  code,
  distance,
  issuerName,
  menu,
  shortId,
  subjectName,
  table,
  when,
} from './fragments.ts'
import type { Html } from './layout.ts'
import { userLink } from './tables.ts'

interface SessionTableParts {
  readonly addresses: Addresses
  readonly caption: string
  readonly empty: string
  /** Unix seconds. */
  readonly now: number
  /** Whether each row names its user. */
  readonly users: boolean
}

type View = ReturnType<typeof presentSession>

/** Sessions, each with a link and a menu. */
export function sessionTable(records: readonly SessionRecord[], parts: SessionTableParts): Html {
  const { addresses, caption, empty, now, users } = parts
  const whose = users ? ['User', 'Subject', 'Issuer'] : []
  const columns = ['Session', ...whose, 'Workflow', 'Status', 'Began', 'Ends', 'Actions']
  const rows = records.map((record) => {
    const view = presentSession(record, now)
    return [
      html`<a href="${addresses.sessionPage(view.id)}" title="${view.id}">${code(shortId(view.id))}</a>`,
      ...(users ? whoseCells(view, addresses) : []),
      view.workflow,
      html`${badge(view.status)} ${confirmed(record, now)}`,
      when(view.created_at, now),
      when(record.endedAt ?? view.expires_at, now),
      sessionMenu(view, parts),
    ]
  })
  return table({ caption, columns, rows, empty })
}

function whoseCells({ user, subject, issuer }: View, addresses: Addresses): readonly Html[] {
  return [userLink(addresses, user), subjectName(subject, user), issuerName(issuer)]
}

function sessionMenu(view: View, { addresses, users }: SessionTableParts): Html {
  const { id, user, subject, issuer, status } = view
  return menu(`Actions for session ${id}`, [
    copyItem('session id', id),
    ...(users ? [copyItem('user', user)] : []),
    ...(users && subject !== user ? [copyItem('subject', subject)] : []),
    ...(users ? [copyItem('issuer', issuer)] : []),
    ...(status === 'active' ? [cancelLink(addresses, id, 'danger')] : []),
  ])
}

/** A button that copies a text; hidden until the script runs. */
function copyItem(what: string, text: string): Html {
  return html`<button type="button" data-copy="${text}">Copy ${what}</button>`
}

/** The state of a cancel upstream, and who asked for it. */
function confirmed({ status, confirmedAt, endedBy }: SessionRecord, now: number): Html {
  if (status !== 'cancelling' && status !== 'cancelled') return html``
  const by = endedBy === undefined ? '' : html`by ${actorName(endedBy)}, `
  const unconfirmed = status === 'cancelling' ? 'not confirmed yet' : 'not confirmed'
  return html`<small>${by}${confirmedAt === undefined ? unconfirmed : `confirmed ${distance(confirmedAt, now)}`}</small>`
}

/** The link to the page that cancels a session. */
export function cancelLink(addresses: Addresses, id: string, look: string): Html {
  return html`<a class="${look}" href="${addresses.sessionPage(id)}/cancel" aria-label="Cancel session ${id}…">Cancel…</a>`
}
