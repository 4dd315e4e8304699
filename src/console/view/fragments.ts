// Small pieces of pages: tables, times, badges, facts, panels.

import { html } from 'hono/html'
import { printable } from '../../lib/printable.ts'
import type { Html } from './layout.ts'

/** A table, which a phone shows as a stack of cards. */
interface TableParts {
  readonly caption: string
  readonly columns: readonly string[]
  /** One cell for each column; the first is the row's header. */
  readonly rows: readonly (readonly (Html | string | number)[])[]
  /** Shown instead of the table when there is no row. */
  readonly empty: string
}

/** The ARIA roles are written out because some browsers drop them when the style turns rows into cards. */
export function table({ caption, columns, rows, empty }: TableParts): Html {
  if (rows.length === 0) return html`<p class="empty">${empty}</p>`
  const heads = columns.map((name) => html`<th scope="col" role="columnheader">${name}</th>`)
  const lines = rows.map((cells) => {
    const [first = '', ...rest] = cells
    const others = rest.map(
      (cell, at) =>
        html`<td role="cell" data-label="${columns[at + 1] ?? ''}">${cell === '' ? '' : html`<div>${cell}</div>`}</td>`,
    )
    return html`<tr role="row"><th scope="row" role="rowheader">${first}</th>${others}</tr>`
  })
  return html`<div class="table"><table role="table">
<caption class="hidden">${caption}</caption>
<thead role="rowgroup"><tr role="row">${heads}</tr></thead>
<tbody role="rowgroup">${lines}</tbody>
</table></div>`
}

/** A time in Unix seconds, absolute; the distance from now shows on hover or focus. */
export function moment(at: number, now: number): Html {
  if (!isDate(at)) return html`${String(at)}`
  return html`<time class="when" datetime="${iso(at)}" tabindex="0">${utc(at)}<span> ${distance(at, now)}</span></time>`
}

/** A time relative to now, in Unix seconds; the absolute time shows on hover or focus of its row. */
export function when(at: number, now: number): Html {
  if (!isDate(at)) return html`${String(at)}`
  return html`<time class="when" datetime="${iso(at)}">${distance(at, now)} <span>${utc(at)} UTC</span></time>`
}

/** A time in Unix seconds as text, without the zone. */
export function utc(at: number): string {
  return iso(at).slice(0, 19).replace('T', ' ')
}

function iso(at: number): string {
  return new Date(at * 1000).toISOString()
}

/** The last second that a Date can hold (ECMA-262 §21.4.1.1). */
const LAST_SECOND = 8.64e12

function isDate(at: number): boolean {
  return Math.abs(at) <= LAST_SECOND
}

/**
 * A time in Unix seconds. A number too large for a date is shown unchanged, because an upstream may send any number.
 */
export function instant(at: number): Html {
  if (!isDate(at)) return html`${String(at)}`
  return html`<time datetime="${iso(at)}">${utc(at)}</time>`
}

const UNITS: readonly (readonly [number, string])[] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** `3 min ago`, `in 2 h`. */
export function distance(at: number, now: number): string {
  const seconds = Math.abs(at - now)
  if (seconds === 0) return 'now'
  const [size, unit] = UNITS.find(([most]) => seconds >= most) ?? [1, 's']
  const count = `${Math.floor(seconds / size)} ${unit}`
  return at > now ? `in ${count}` : `${count} ago`
}

const TONES: Readonly<Record<string, string>> = {
  active: 'good',
  ok: 'good',
  cancelling: 'warn',
  locked: 'warn',
  refused: 'bad',
  failed: 'bad',
}

/** The status of a session, a thread or an outcome; `tone` colours it where the status does not. */
export function badge(status: string, tone: string | undefined = TONES[status]): Html {
  return html`<span class="badge ${tone ?? ''}">${status}</span>`
}

/** Most characters of a text in a table; a longer text loses its middle. */
const SHORT_CHARACTERS = 40

/** A text without a visible character, such as a backend may give as the name of a user. */
const UNSEEN = /^[\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]+$/u

/**
 * The beginning and the end of a long id, quotes around a short one of which nothing could be seen, and marks of
 * direction as escapes, because with them `ecila` looks like `alice`. Show the whole id elsewhere too, because two ids
 * may differ only in the middle.
 */
export function shortened(text: string): string {
  const shown = printable(text)
  const characters = [...shown]
  if (UNSEEN.test(text)) return `"${characters.slice(0, SHORT_CHARACTERS).join('')}"`
  if (characters.length <= SHORT_CHARACTERS) return shown
  return `${characters.slice(0, 22).join('')}…${characters.slice(-16).join('')}`
}

/** A `title` with the whole text, if {@link shortened} would cut it. */
export function whole(text: string): Html {
  const shown = printable(text)
  return shortened(text) === shown ? html`` : html` title="${shown}"`
}

/** The beginning and the end of an id of ours. Put the whole id into a title. */
export function shortId(id: string): string {
  return id.length > 22 ? `${id.slice(0, 14)}…${id.slice(-5)}` : id
}

/** Up to this many characters, an id gets no copy button. */
const COPIED_BY_HAND = 16

/** An id without its middle, with the whole id in its title, and a button that copies it. */
export function longId(text: string): Html {
  if (text.length <= COPIED_BY_HAND) return html`<bdi class="user">${code(text)}</bdi>`
  const copy = html`<button type="button" class="quiet small" data-copy="${text}" aria-label="Copy ${shortened(text)}">Copy</button>`
  return html`<bdi class="user"${whole(text)}>${code(shortened(text))}</bdi> ${copy}`
}

/** The host of an issuer, which is where issuers differ. The title has the whole issuer. */
export function issuerName(issuer: string): Html {
  return html`<bdi class="user" title="${printable(issuer)}">${shortened(URL.parse(issuer)?.host || issuer)}</bdi>`
}

/** A subject shown beside its user, to which it is mostly equal. */
export function subjectName(subject: string, user: string): Html {
  return subject === user
    ? html`<span class="soft" title="${printable(subject)}">same as user</span>`
    : html`<bdi class="user"${whole(subject)}>${shortened(subject)}</bdi>`
}

/** The issuer, which has no `|`, and the subject of an actor `issuer|subject`; an address has no subject. */
export function actorParts(actor: string) {
  const [issuer = actor, ...subject] = actor.split('|')
  return { issuer, subject: subject.join('|') }
}

/** The subject of an actor; the title has the issuer too. */
export function actorName(actor: string): Html {
  return html`<bdi title="${printable(actor)}">${shortened(actorParts(actor).subject || actor)}</bdi>`
}

/** An id or another text in a fixed-width font. */
export function code(text: string): Html {
  return html`<code>${text}</code>`
}

/** A list of names and values. */
export function facts(entries: readonly (readonly [string, Html | string])[]): Html {
  const rows = entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)
  return html`<dl class="facts">${rows}</dl>`
}

/** A menu of a row's actions, closed at first. Only one menu of a page is open at a time. */
export function menu(label: string, items: readonly Html[]): Html {
  const entries = items.map((item) => html`<li>${item}</li>`)
  return html`<details class="menu" name="menu"><summary aria-label="${label}">⋯</summary><ul>${entries}</ul></details>`
}

interface PanelParts {
  /** Anchor. */
  readonly id: string
  readonly title: string
  readonly content: Html
  /** Shown beside the heading. */
  readonly aside?: Html | undefined
}

/** A section of a page with a heading. */
export function panel({ id, title, content, aside }: PanelParts): Html {
  return html`<section class="panel" aria-labelledby="${id}">
<div class="bar"><h2 id="${id}">${title}</h2>${aside ?? ''}</div>
${content}
</section>`
}
