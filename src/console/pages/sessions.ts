// Lists, shows and cancels sessions.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { pathId } from '../../http/query.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { parseSessionId } from '../../lib/ids.ts'
import { presentSession, SESSION_STATUSES } from '../../respond/views.ts'
import type { Action, View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import type { PageParts } from '../page-answers.ts'
import { addressWith, choiceField, filterForm, textField, workflowField } from '../view/filters.ts'
import { badge, code, facts, moment } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { cursors, optionalText, PAGE_ROWS, pageOrStart, pager, queryOf } from '../view/paging.ts'
import { cancelButton, sessionTable, userLink } from '../view/tables.ts'

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
export function sessionsPage({ answers, administer, addresses, workflows, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, before, ...asked } = queryOf(c, sessionQuery)
    const seconds = unixSeconds(now)
    const base = addressWith(`${addresses.root}/sessions`, asked)
    const status = SESSION_STATUSES.find((one) => one === asked.status)
    const walk = { after, before, limit: PAGE_ROWS, order: 'desc' } as const
    const query = { ...asked, ...walk, status, now: seconds }
    const found = await administer.listSessions(adminRequest(c), query)
    const { data, hasMore } = pageOrStart(found, base)
    const live = asked.status === 'active'
    const rows = sessionTable(data, {
      addresses,
      signIn,
      now: seconds,
      users: true,
      caption: live ? 'Live sessions, newest first' : 'Sessions, newest first',
      empty: 'No session fits. User, subject and issuer are compared exactly.',
    })
    const pages = pager({
      base,
      after,
      before,
      hasMore,
      first: data[0]?.id,
      last: data.at(-1)?.id,
    })
    const content = html`${filters(addresses, workflows, asked)}${rows}${pages}`
    const title = live ? 'Live sessions' : 'Sessions'
    return answers.page(c, { title, signIn, section: 'sessions' }, content)
  }
}

/** `GET /admin/sessions/{id}` */
export function sessionPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const record = await administer.readSession(adminRequest(c), pathId(c, parseSessionId))
    const seconds = unixSeconds(now)
    const view = presentSession(record, seconds)
    const content = html`<div class="panel">${facts([
      ['User', userLink(addresses, view.user)],
      ['Status', badge(view.status)],
      ['Workflow', view.workflow],
      ['Began', moment(view.created_at, seconds)],
      ['Ends', moment(view.expires_at, seconds)],
      ['Issuer', code(view.issuer)],
      ['Subject', code(view.subject)],
    ])}
${view.status === 'active' ? cancelButton(view, { addresses, signIn }) : statusAdvice(view.status)}
</div>`
    return answers.page(c, { title: `Session ${view.id}`, signIn, section: 'sessions' }, content)
  }
}

/** `POST /admin/sessions/{id}/cancel` */
export function cancelAction({ answers, administer, addresses, now }: PageParts): Action {
  return async (c) => {
    const ended = await administer.cancelSession(adminRequest(c), pathId(c, parseSessionId))
    const view = presentSession(ended, unixSeconds(now))
    const back = c.req.header('Referer')
    const to = back === undefined ? addresses.userPage(view.user) : addresses.back(back)
    const notice =
      view.status === 'cancelling'
        ? `Session ${view.id} is being cancelled: it is off the books, and OpenAI is asked until it confirms.`
        : `Session ${view.id} is ${view.status}.`
    return answers.redirectWithNotice(c, { to, notice })
  }
}

function statusAdvice(status: string): Html {
  if (status !== 'cancelling') return html`<p class="fine">Its client secret works no more.</p>`
  return html`<p class="fine">OpenAI has not confirmed yet. It is asked again until it does, or the session ends by itself.</p>`
}

function filters(
  { root }: Addresses,
  workflows: PageParts['workflows'],
  { user, subject, issuer, workflow, status }: Omit<Filters, 'after' | 'before'>,
): Html {
  const ended = SESSION_STATUSES.slice(1).map((name) => [name, name] as const)
  const choices = [['active', 'Live'], ...ended, ['all', 'All']] as const
  const fields = html`${textField('user', 'User', user)}${textField('subject', 'Subject', subject)}${textField('issuer', 'Issuer', issuer)}
${workflowField(workflows, workflow)}${choiceField({ name: 'status', label: 'Status', choices, chosen: status || 'all' })}`
  return filterForm({ action: `${root}/sessions`, label: 'Filter sessions', fields })
}
