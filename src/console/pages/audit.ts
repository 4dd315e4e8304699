// Lists the audit by user, actor, kind of action and time.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { AUDIT_ACTIONS, type AuditAction, type AuditFilter } from '../../registry/audit-entry.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { addressWith, choiceField, filterForm, minuteField, textField } from '../view/filters.ts'
import type { Html } from '../view/layout.ts'
import { cursors, optionalText, PAGE_ROWS, pageOrStart, pager, queryOf } from '../view/paging.ts'
import { auditTable } from '../view/tables.ts'

/** Minutes as a `datetime-local` field sends them; they are UTC here. */
const minute = optionalText.pipe(
  z
    .string()
    .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d(?::00)?$/)
    .refine((text) => !Number.isNaN(Date.parse(`${text}Z`)))
    .optional(),
)

const filters = z.object({
  user: optionalText,
  actor: optionalText,
  action: optionalText,
  since: minute,
  until: minute,
})
type Filters = z.output<typeof filters>

const auditQuery = filters.extend(cursors)

/** The choice that hides reads, which are most entries of admins. */
const ALL_BUT_READS = 'all_but_reads'
const READ: AuditAction = 'admin_read'

/** `GET /admin/audit` */
export function auditPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, trail, ...asked } = queryOf(c, auditQuery)
    const path = `${addresses.root}/audit`
    const base = addressWith(path, asked)
    const query = { ...filterOf(asked), after, limit: PAGE_ROWS }
    const found = await administer.readAudit(adminRequest(c), query)
    const { data, hasMore } = pageOrStart(found, base)
    const rows = auditTable(data, {
      addresses,
      now: unixSeconds(now),
      users: true,
      empty: hasMore
        ? 'None of the 5,000 entries that were searched fits. Older entries may fit.'
        : 'No entry fits. User and actor are compared exactly.',
    })
    const next = hasMore ? (found?.next ?? data.at(-1)?.id) : undefined
    const content = html`${filterForm({ action: path, label: 'Filter the audit', fields: fieldsOf(asked) })}
${rows}${pager({ base, after, trail, next })}`
    return answers.page(c, { title: 'Audit', signIn, section: 'audit' }, content)
  }
}

function filterOf({ user, actor, action, since, until }: Filters): AuditFilter {
  return {
    user,
    actor,
    since: secondsOf(since),
    until: secondsOf(until),
    ...(action === ALL_BUT_READS ? { notAction: READ } : { action }),
  }
}

function secondsOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(`${text}Z`) / 1000
}

function fieldsOf({ user, actor, action, since, until }: Filters): Html {
  const choices = [
    ['', 'All'],
    [ALL_BUT_READS, 'All but reads'],
    ...AUDIT_ACTIONS.map((name) => [name, name] as const),
  ] as const
  return html`${textField('user', 'User', user)}${textField('actor', 'Actor', actor)}
${choiceField({ name: 'action', label: 'Action', choices, chosen: action })}
${minuteField('since', 'From (UTC)', since)}${minuteField('until', 'Before (UTC)', until)}`
}
