// Lists sessions: the live ones, or those that the filters name.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { SESSION_STATUSES } from '../../respond/views.ts'
import type { View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import type { PageParts } from '../page-answers.ts'
import { addressWith, choiceField, filterForm, textField, workflowField } from '../view/filters.ts'
import { instant } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { cursors, optionalText, PAGE_ROWS, pageOrStart, pager, queryOf } from '../view/paging.ts'
import { sessionTable } from '../view/session-table.ts'

const sessionQuery = z.object({
  user: optionalText,
  subject: optionalText,
  issuer: optionalText,
  workflow: optionalText,
  status: z.enum([...SESSION_STATUSES, 'all', '']).default('active'),
  ...cursors,
})
type Filters = z.output<typeof sessionQuery>

/** `GET /admin/sessions`: sessions by user, subject, issuer, workflow and status; live ones unless asked otherwise. */
export function sessionsPage(parts: PageParts): View {
  const { answers, administer, addresses, workflows, figures, now } = parts
  return async (c, signIn) => {
    const { after, trail, ...asked } = queryOf(c, sessionQuery)
    const seconds = unixSeconds(now)
    const base = addressWith(`${addresses.root}/sessions`, asked)
    const status = SESSION_STATUSES.find((one) => one === asked.status)
    const walk = { after, limit: PAGE_ROWS, order: 'desc' } as const
    const query = { ...asked, ...walk, status, now: seconds }
    const found = await administer.listSessions(adminRequest(c), query)
    const { data, hasMore } = pageOrStart(found, base)
    const live = asked.status === 'active'
    const rows = sessionTable(data, {
      addresses,
      now: seconds,
      users: true,
      caption: live ? 'Live sessions, newest first' : 'Sessions, newest first',
      empty: 'No session fits. User, subject and issuer are compared exactly.',
    })
    const pages = pager({ base, after, trail, next: hasMore ? data.at(-1)?.id : undefined })
    const isOneAllLive = base === `${addresses.root}/sessions?status=active`
    const total = isOneAllLive ? await figures.activeSessions() : undefined
    const isWhole = !hasMore && after === undefined
    const sentence = sentenceOf(data.length, { isWhole, total })
    const content = html`${filters(addresses, workflows, asked)}
<div class="bar"><p class="fine">${sentence} As of ${instant(seconds)}.</p> <a href="${addressWith(`${addresses.root}/sessions`, { ...asked, after, trail })}">Refresh</a></div>
${rows}${pages}`
    const title = live ? 'Live sessions' : 'Sessions'
    return answers.page(c, { title, signIn, section: 'sessions' }, content)
  }
}

/** The number of sessions on the page, and the total if it is known without counting. */
function sentenceOf(
  count: number,
  { isWhole, total }: { readonly isWhole: boolean; readonly total: number | undefined },
): string {
  if (isWhole) return `${count} in all.`
  return total === undefined || total <= count
    ? `${count} on this page, and more.`
    : `${count} on this page, of about ${total.toLocaleString('en')}.`
}

function filters(
  { root }: Addresses,
  workflows: PageParts['workflows'],
  { user, subject, issuer, workflow, status }: Omit<Filters, keyof typeof cursors>,
): Html {
  const ended = SESSION_STATUSES.slice(1).map((name) => [name, name] as const)
  const choices = [['active', 'Live'], ...ended, ['all', 'All']] as const
  const fields = html`${textField('user', 'User', user)}${textField('subject', 'Subject', subject)}${textField('issuer', 'Issuer', issuer)}
${workflowField(workflows, workflow)}${choiceField({ name: 'status', label: 'Status', choices, chosen: status || 'all' })}`
  return filterForm({ action: `${root}/sessions`, label: 'Filter sessions', fields })
}
