// Lists the users who are blocked, with who blocked them, why and until when.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { printable } from '../../lib/printable.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { table, when } from '../view/fragments.ts'
import { csrfField } from '../view/layout.ts'
import { cursors, PAGE_ROWS, pageOrStart, pager, queryOf } from '../view/paging.ts'
import { actorLink, userLink } from '../view/tables.ts'

const blockQuery = z.object(cursors)

/** `GET /admin/blocks` */
export function blocksPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, trail } = queryOf(c, blockQuery)
    const seconds = unixSeconds(now)
    const base = `${addresses.root}/blocks`
    const walk = { after, limit: PAGE_ROWS, order: 'desc' } as const
    const found = await administer.listBlocks(adminRequest(c), { ...walk, now: seconds })
    const { data, hasMore } = pageOrStart(found, base)
    const rows = data.map((block) => [
      userLink(addresses, block.user),
      when(block.until, seconds),
      block.reason === undefined
        ? html`<span class="soft">none given</span>`
        : html`<span class="text">${block.reason}</span>`,
      actorLink(addresses, block.by),
      when(block.createdAt, seconds),
      html`<form method="post" action="${addresses.root}/user/unblock">${csrfField(signIn)}<input type="hidden" name="user" value="${block.user}"><button class="quiet small" aria-label="Unblock ${printable(block.user)}">Unblock</button></form>`,
    ])
    const content = html`${table({
      caption: 'Users who are blocked, newest first',
      columns: ['User', 'Until', 'Reason', 'By', 'Since', 'Action'],
      rows,
      empty: 'Nobody is blocked.',
    })}${pager({ base, after, trail, next: hasMore ? data.at(-1)?.user : undefined })}`
    return answers.page(c, { title: 'Blocks', signIn, section: 'blocks' }, content)
  }
}
