// Lists the threads of one user or of all, shows the messages of one, and deletes it.

import { html } from 'hono/html'
import { z } from 'zod'
import { adminRequest } from '../../http/authentication.ts'
import { pathId } from '../../http/query.ts'
import { readOptions } from '../../http/upstream-call-options.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { parseThreadId } from '../../lib/ids.ts'
import type { Action, View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import { noThreads, orGone, orUnknown, showAs } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import { confirmation } from '../view/confirmation.ts'
import { addressWith, filterForm, textField, workflowField } from '../view/filters.ts'
import { badge, code, facts, longId, moment } from '../view/fragments.ts'
import { cursors, optionalText, PAGE_ROWS, pager, queryOf } from '../view/paging.ts'
import { threadTable, titleOf, userLink } from '../view/tables.ts'
import { transcript } from '../view/transcript.ts'
import { knownUser } from './user.ts'

/** Items of a page of a transcript. */
const ITEMS = 100

/** A list over several sources is read forward only. */
const threadQuery = z.object({ user: optionalText, workflow: optionalText, ...cursors })

function noThread({ root }: Addresses) {
  return {
    heading: 'No such thread',
    advice:
      'No thread with this id is kept: it was deleted, maybe by a form that was sent twice, or it was never here. There is nothing to delete.',
    action: { href: `${root}/threads`, label: 'To the threads' },
  }
}

/** `GET /admin/threads`: newest first, of all users and workflows unless filtered. */
export function threadsPage({ answers, administer, addresses, workflows, now }: PageParts): View {
  return async (c, signIn) => {
    const { after, trail, user, workflow } = queryOf(c, threadQuery)
    if (user !== undefined) knownUser(user)
    const walk = { user, workflow, after, limit: PAGE_ROWS, order: 'desc' } as const
    const asked = administer.listThreads(adminRequest(c, readOptions(c)), walk)
    const page = await asked.catch(refusedByWorkflow)
    const { root } = addresses
    const base = addressWith(`${root}/threads`, { user, workflow })
    const fields = html`${textField('user', 'User', user)}${workflowField(workflows, workflow)}`
    const whose = user && html`<p class="lead">${userLink(addresses, user)}</p>`
    const form = html`${filterForm({ action: `${root}/threads`, label: 'Filter threads', fields })}${whose ?? ''}`
    const frame = { title: 'Threads', signIn, section: 'threads' } as const
    if (page instanceof ServiceError) {
      showAs(page, c)
      return answers.page(
        c,
        frame,
        html`${form}${noThreads(page, c, workflow ? '' : ONE_MAY_ANSWER)}`,
      )
    }
    const next = page.has_more ? (page.last_id ?? undefined) : undefined
    const content = html`${form}
${threadTable(page.data, { addresses, now: unixSeconds(now), users: true })}
${pager({ base, after, trail, next })}`
    return answers.page(c, frame, content)
  }
}

/** Errors that another choice of a workflow can avoid, so the page keeps its form. */
function refusedByWorkflow(error: unknown): ServiceError {
  if (!(error instanceof ServiceError)) throw error
  const isUpstream = error.upstream !== undefined || error.code.startsWith('upstream_')
  if (!isUpstream && error.code !== 'workflow_not_allowed') throw error
  return error
}

const ONE_MAY_ANSWER = ' The threads of one workflow may still be there: choose it above.'

/** `GET /admin/threads/{id}`: the messages, from the beginning. */
export function threadPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { after } = queryOf(c, threadQuery)
    const query = { limit: ITEMS, order: 'asc', after } as const
    const request = adminRequest(c, readOptions(c))
    const asked = administer.readItems(request, { id: pathId(c, parseThreadId), query })
    const { thread, items } = await orGone(asked, noThread(addresses))
    const base = addresses.threadPage(thread.id)
    const next = items.has_more && items.last_id !== null ? items.last_id : undefined
    const content = html`<div class="panel">${facts([
      ['User', userLink(addresses, thread.user)],
      ['Status', badge(thread.status.type)],
      ['Began', moment(Math.floor(thread.created_at), unixSeconds(now))],
      ['Id', longId(thread.id)],
    ])}
<a class="button danger quiet" href="${base}/delete">Delete this thread…</a></div>
${transcript(items.data)}
<nav class="pager" aria-label="Pages">
${after === undefined ? '' : html`<a href="${base}">From the beginning</a>`}
${next === undefined ? '' : html`<a rel="next" href="${base}?${new URLSearchParams({ after: next })}">Later items</a>`}
</nav>`
    return answers.page(c, { title: titleOf(thread), signIn, section: 'threads' }, content)
  }
}

/** `GET /admin/threads/{id}/delete`: tells the consequences, and asks for confirmation. */
export function threadDeletePage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const request = adminRequest(c, readOptions(c))
    const asked = administer.findThread(request, pathId(c, parseThreadId))
    const { thread } = await orGone(asked, noThread(addresses))
    const path = addresses.threadPage(thread.id)
    const began = moment(Math.floor(thread.created_at), unixSeconds(now))
    const content = confirmation({
      says: [
        html`The thread ${code(thread.id)} of ${userLink(addresses, thread.user)}, “${titleOf(thread)}”, began ${began}.`,
        'It and everything said in it are deleted at its server. It cannot be undone.',
      ],
      action: `${path}/delete`,
      button: 'Delete the thread',
      back: path,
      signIn,
    })
    return answers.page(c, { title: 'Delete this thread?', signIn, section: 'threads' }, content)
  }
}

/** `POST /admin/threads/{id}/delete`. Sent again, it finds no thread. */
export function threadDeleteAction({ answers, administer, addresses }: PageParts): Action {
  return async (c) => {
    const id = pathId(c, parseThreadId)
    const deleted = administer.deleteThread(adminRequest(c, readOptions(c)), id)
    await orUnknown(orGone(deleted, noThread(addresses)), {
      known: 'The thread is deleted or still there: its page says which.',
      again: `${addresses.threadPage(id)}/delete`,
    })
    const to = `${addresses.root}/threads`
    return answers.redirectWithNotice(c, { to, notice: `Thread ${id} is deleted.` })
  }
}
