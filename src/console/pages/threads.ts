// Lists the threads of a user, and shows what was said in one.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { pathId } from '../../http/query.ts'
import { readOptions } from '../../http/upstream-call-options.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { parseThreadId } from '../../lib/ids.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { badge, code, facts, moment } from '../view/fragments.ts'
import { optionalText, PAGE_ROWS, pager, queryOf } from '../view/paging.ts'
import { threadTable, userLink } from '../view/tables.ts'
import { transcript } from '../view/transcript.ts'
import { knownUser } from './user.ts'

/** Items of a page of a transcript. */
const ITEMS = 100

/** A list over several sources pages forward only, so pages of threads never link to a page before. */
const threadQuery = z.object({ user: optionalText, after: optionalText })

/** `GET /admin/threads?user=…` */
export function threadsPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, ...asked } = queryOf(c, threadQuery)
    const user = knownUser(asked.user)
    const walk = { user, after, limit: PAGE_ROWS, order: 'desc' } as const
    const page = await administer.listThreads(adminRequest(c, readOptions(c)), walk)
    const base = `${addresses.root}/threads?${new URLSearchParams({ user })}`
    const ends = { before: undefined, first: undefined, last: page.last_id ?? undefined }
    const content = html`<p class="lead">${userLink(addresses, user)}</p>
${threadTable(page.data, { addresses, now: unixSeconds(now) })}
${pager({ base, after, hasMore: page.has_more, ...ends })}`
    return answers.page(c, { title: 'Threads', signIn, section: 'sessions' }, content)
  }
}

/** `GET /admin/threads/{id}`: what was said, from the beginning. */
export function threadPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after } = queryOf(c, threadQuery)
    const query = { limit: ITEMS, order: 'asc', ...(after !== undefined && { after }) } as const
    const request = adminRequest(c, readOptions(c))
    const { thread, items } = await administer.readItems(request, {
      id: pathId(c, parseThreadId),
      query,
    })
    const base = `${addresses.root}/threads/${encodeURIComponent(thread.id)}`
    const next = items.has_more && items.last_id !== null ? items.last_id : undefined
    const content = html`<div class="panel">${facts([
      ['User', userLink(addresses, thread.user)],
      ['Status', badge(thread.status.type)],
      ['Began', moment(Math.floor(thread.created_at), unixSeconds(now))],
      ['Id', code(thread.id)],
    ])}</div>
${transcript(items.data)}
<nav class="pager" aria-label="Pages">
${after === undefined ? '' : html`<a href="${base}">From the beginning</a>`}
${next === undefined ? '' : html`<a rel="next" href="${base}?${new URLSearchParams({ after: next })}">Later items</a>`}
</nav>`
    const title = thread.title ?? 'Thread without a title'
    return answers.page(c, { title, signIn, section: 'sessions' }, content)
  }
}
