// Lists of blocks and of the audit.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { unixSeconds } from '../../lib/clock.ts'
import type { AuditAction } from '../../registry/audit.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { moment, table } from '../view/fragments.ts'
import { csrfField, type Html, USER_UNITS } from '../view/layout.ts'
import { cursors, optionalText, PAGE_ROWS, pageOrStart, pager, queryOf } from '../view/paging.ts'
import { auditTable, userLink } from '../view/tables.ts'

const blockQuery = z.object(cursors)
const auditQuery = z.object({ user: optionalText, action: optionalText, after: optionalText })

/** Actions that can be filtered by, in the order of the list. */
const ACTIONS: readonly AuditAction[] = [
  ...(['mint', 'cancel', 'revoke', 'unblock', 'sign_out', 'logout'] as const),
  ...([
    'export',
    'erase',
    'delete_thread',
    'admin_read',
    'admin_sign_in',
    'admin_attempt',
  ] as const),
]

/** `GET /admin/blocks` */
export function blocksPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, before } = queryOf(c, blockQuery)
    const seconds = unixSeconds(now)
    const base = `${addresses.root}/blocks`
    const walk = { after, before, limit: PAGE_ROWS, order: 'desc' } as const
    const found = await administer.listBlocks(adminRequest(c), { ...walk, now: seconds })
    const { data, hasMore } = pageOrStart(found, base)
    const rows = data.map((block) => [
      userLink(addresses, block.user),
      moment(block.until, seconds),
      block.reason ?? '',
      html`<span class="user">${block.by}</span>`,
      moment(block.createdAt, seconds),
      html`<form method="post" action="${addresses.root}/user/unblock">${csrfField(signIn)}<input type="hidden" name="user" value="${block.user}"><button class="small" aria-label="Unblock ${block.user}">Unblock</button></form>`,
    ])
    const content = html`${table({
      caption: 'Users who are blocked, newest first',
      columns: ['User', 'Until', 'Reason', 'By', 'Since', 'Action'],
      rows,
      empty: 'Nobody is blocked.',
    })}${pager({ base, after, before, hasMore, first: data[0]?.user, last: data.at(-1)?.user })}`
    return answers.page(c, { title: 'Blocks', signIn, section: 'blocks' }, content)
  }
}

/** `GET /admin/audit` */
export function auditPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, ...asked } = queryOf(c, auditQuery)
    const set = Object.entries(asked).flatMap(([name, value]) => (value ? [[name, value]] : []))
    const base = `${addresses.root}/audit?${new URLSearchParams(set)}`
    const walk = { ...asked, after, limit: PAGE_ROWS }
    const found = await administer.readAudit(adminRequest(c), walk)
    const { data, hasMore } = pageOrStart(found, base)
    const rows = auditTable(data, { addresses, now: unixSeconds(now), users: true })
    const older = found?.next ?? data.at(-1)?.id
    const pages =
      (hasMore || after !== undefined) && older !== undefined
        ? html`<nav class="pager" aria-label="Pages">
${after === undefined ? '' : html`<a href="${base}">Newest</a>`}
${hasMore ? html`<a rel="next" href="${base}&amp;${new URLSearchParams({ after: older })}">Older</a>` : ''}
</nav>`
        : ''
    const content = html`${auditFilter(addresses.root, asked)}${rows}${pages}`
    return answers.page(c, { title: 'Audit', signIn, section: 'audit' }, content)
  }
}

function auditFilter(
  root: string,
  { user, action }: { readonly user: string | undefined; readonly action: string | undefined },
): Html {
  const actions = ACTIONS.map(
    (name) =>
      html`<option value="${name}"${name === action ? html` selected` : ''}>${name}</option>`,
  )
  return html`<form class="filters" method="get" action="${root}/audit" aria-label="Filter the audit">
<div><label for="f-user">User</label><input id="f-user" name="user" value="${user ?? ''}" maxlength="${USER_UNITS}" autocomplete="off" spellcheck="false"></div>
<div><label for="f-action">Action</label><select id="f-action" name="action"><option value="">Any</option>${actions}</select></div>
<div class="buttons"><button>Search</button> <a href="${root}/audit">Reset</a></div>
</form>`
}
