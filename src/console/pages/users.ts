// Lists users, and finds them by the beginning of a name.

import { html } from 'hono/html'
import { adminRequest } from '../../http/authentication.ts'
import type { AppContext } from '../../http/context.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { MAX_USER_CHARACTERS, parseUserId } from '../../lib/ids.ts'
import { count } from '../../lib/printable.ts'
import type { KnownUser } from '../../registry/known-users.ts'
import type { View } from '../access.ts'
import type { Addresses } from '../addresses.ts'
import type { PageParts } from '../page-answers.ts'
import {
  badge,
  issuerName,
  moment,
  shortened,
  subjectName,
  table,
  when,
} from '../view/fragments.ts'
import { type Html, USER_UNITS } from '../view/layout.ts'
import { PAGE_ROWS, pageOrStart, pager } from '../view/paging.ts'
import { userLink } from '../view/tables.ts'

/** `GET /admin/users?q=…`; without `q` it lists all users, last seen first. */
export function usersPage({ answers, administer, addresses, now }: PageParts): View {
  return async (c, signIn) => {
    const { q, after, trail, problem } = asked(c)
    const frame = { title: 'Users', signIn, section: 'users' } as const
    if (problem !== undefined) {
      c.status(400)
      return answers.page(c, frame, pageOf(addresses, { q, found: problem, results: html`` }))
    }
    const seconds = unixSeconds(now)
    const base = `${addresses.root}/users?${new URLSearchParams(q === '' ? {} : { q })}`
    const query = { q: q || undefined, after, limit: PAGE_ROWS, now: seconds }
    const found = await administer.listUsers(adminRequest(c), query)
    const { data, hasMore } = pageOrStart(found, base)
    const rows = userTable(data, { addresses, seconds })
    const pages = pager({ base, after, trail, next: hasMore ? data.at(-1)?.user : undefined })
    const results = data.length === 0 ? nobody(addresses, q) : html`${rows}${pages}`
    const shown = { size: data.length, hasMore, within: after !== undefined }
    return answers.page(c, frame, pageOf(addresses, { q, found: sentenceOf(q, shown), results }))
  }
}

/** Reads the query. Escapes that are not UTF-8 are refused here, because Hono leaves them undecoded. */
function asked(c: AppContext) {
  const { q = '', after, trail } = c.req.query()
  const cursors = { after: after || undefined, trail: trail || undefined }
  if (!decodes(new URL(c.req.url).search)) {
    const problem = 'This search holds half a character: its address is not valid UTF-8.'
    return { q: '', ...cursors, problem }
  }
  if ([...q].length > MAX_USER_CHARACTERS) {
    const problem = `This search is too long: names have at most ${MAX_USER_CHARACTERS} characters.`
    return { q: [...q].slice(0, MAX_USER_CHARACTERS).join(''), ...cursors, problem }
  }
  return { q, ...cursors, problem: undefined }
}

function decodes(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

interface UsersParts {
  readonly q: string
  readonly found: Html | string
  readonly results: Html
}

function pageOf({ root }: Addresses, { q, found, results }: UsersParts): Html {
  return html`<form class="filters" method="get" action="${root}/users" role="search" aria-label="Find users" data-live>
<div><label for="q">User or subject begins with</label><input id="q" name="q" type="search" value="${q}" maxlength="${USER_UNITS}" autocomplete="off" autocapitalize="off" spellcheck="false" dir="auto"></div>
<div class="buttons"><button>Find</button> <a href="${root}/users">All users</a></div>
</form>
<p id="found" class="fine" role="status" data-part>${found}</p>
<div id="results" data-part>${results}</div>`
}

interface Shown {
  readonly size: number
  readonly hasMore: boolean
  /** Whether the page is not the first one. */
  readonly within: boolean
}

function sentenceOf(q: string, { size, hasMore, within }: Shown): Html | string {
  const name = html`<bdi class="user">${shortened(q)}</bdi>`
  if (size === 0)
    return q === '' ? 'Nobody has had a session yet.' : html`Nobody’s name begins with ${name}.`
  const counted = count(size, 'user')
  const users = within ? `${counted} on this page` : `${hasMore ? 'The first ' : ''}${counted}`
  return q === '' ? `${users}, last seen first.` : html`${users} whose name begins with ${name}.`
}

/** Shown when nobody was found. A user never seen can still be blocked, on the page of that user. */
function nobody(addresses: Addresses, q: string): Html {
  if (parseUserId(q) === undefined) return html``
  const broken = q.includes('\uFFFD')
    ? html`<p>The search holds <code>\uFFFD</code>, which stands for half a character that was lost on the way.</p>`
    : ''
  return html`${broken}${insteadOf(addresses, q)}<p class="empty">Upper and lower case count as the same. Blanks, <code>%</code> and <code>_</code> stand for themselves.
To block somebody before their first session, open <a href="${addresses.userPage(q)}">the page of the user with exactly this id</a>.</p>`
}

/** A link for what people paste from a log or the audit: a session's id, an actor (`issuer|subject`), blanks around a name. */
function insteadOf({ root, sessionPage }: Addresses, q: string): Html | string {
  const text = q.trim()
  if (/^cksess_\w+$/.test(text)) {
    return html`<p>That is the id of a session: <a href="${sessionPage(text)}">open the session</a>.</p>`
  }
  const name = text.slice(text.lastIndexOf('|') + 1).trim()
  if (name === '' || name === q) return ''
  const address = `${root}/users?${new URLSearchParams({ q: name })}`
  return html`<p>Find <a href="${address}"><bdi class="user">${shortened(name)}</bdi></a> instead.</p>`
}

function userTable(
  users: readonly KnownUser[],
  { addresses, seconds }: { readonly addresses: Addresses; readonly seconds: number },
): Html {
  const rows = users.map(({ user, subject, issuer, lastSeen, liveSessions, blockedUntil }) => [
    userLink(addresses, user),
    subjectName(subject, user),
    issuerName(issuer),
    when(lastSeen, seconds),
    liveSessions,
    blockedUntil === undefined
      ? ''
      : html`${badge('blocked', 'bad')} until ${moment(blockedUntil, seconds)}`,
  ])
  const columns = ['User', 'Subject', 'Issuer', 'Last seen', 'Live sessions', 'Blocked']
  return table({ caption: 'Users', columns, rows, empty: '' })
}
