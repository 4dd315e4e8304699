// Exports and erases all data of one user, and downloads receipts.

import { html } from 'hono/html'
import type { EraseCounts, EraseLine, EraseProgress, EraseSummary } from '../../administer/erase.ts'
import type { Failure } from '../../administer/failures.ts'
import { adminRequest } from '../../http/authentication.ts'
import { answerExport } from '../../http/export-answer.ts'
import { streamTexts } from '../../http/ndjson.ts'
import { unixSeconds } from '../../lib/clock.ts'
import { count, printable } from '../../lib/printable.ts'
import { whyOf } from '../../lib/show.ts'
import type { Action, View } from '../access.ts'
import { PageError } from '../error-page.ts'
import type { PageParts } from '../page-answers.ts'
import { confirmation } from '../view/confirmation.ts'
import { facts, moment } from '../view/fragments.ts'
import { type Html, pageEnd, pageStart, USER_UNITS } from '../view/layout.ts'
import { endsNow, refuseOwnBlock } from './revoke.ts'
import { knownUser } from './user.ts'
import { NO_RECEIPTS } from './user-forms.ts'

/** `POST /admin/user/export`: a download of one JSON object a line. */
export function exportAction({ administer, log, now }: PageParts): Action {
  return async (c, { form }) => {
    const answer = await answerExport(c, { administer, log, now }, knownUser(form.value('user')))
    // Set only on success: an error page is to be read, not saved.
    answer.headers.set('Content-Disposition', 'attachment; filename="user-export.ndjson"')
    return answer
  }
}

/** `GET /admin/user/receipt?user=…`: a download of the signed receipt. */
export function receiptDownload({ administer }: PageParts): View {
  return async (c) => {
    const user = knownUser(c.req.query('user'))
    if (administer.issueReceipt === undefined) {
      throw new PageError('not_found', {
        reason: 'receipts are not configured',
        heading: 'No receipts here',
        advice: NO_RECEIPTS,
      })
    }
    const receipt = await administer.issueReceipt(adminRequest(c), user)
    c.header('Content-Disposition', 'attachment; filename="user-receipt.jws"')
    return c.body(receipt, 200, { 'Content-Type': 'application/jose' })
  }
}

/** `GET /admin/user/erase?user=…`: the consequences of the erase, and a field to type the user into. */
export function erasePage({ answers, administer, addresses }: PageParts): View {
  return async (c, signIn) => {
    const user = knownUser(c.req.query('user'))
    refuseOwnBlock(user, signIn)
    const { known, liveSessions } = await administer.findUser(adminRequest(c), user)
    const content = confirmation({
      says: [
        known
          ? endsNow(liveSessions)
          : 'No session of this user is on record: there may be nothing to erase.',
        'All threads, their items and attachments are deleted where they are kept, and with them the records of sessions here. It cannot be undone.',
        'The audit keeps what was done to this user, without their name. Only the entries of this erase keep the name.',
        'The user is blocked while the erase runs.',
      ],
      action: `${addresses.root}/user/erase`,
      fields: { user },
      more: html`<label for="confirm">To confirm, type the user: <code class="user"><bdi>${user}</bdi></code></label>
<input id="confirm" name="confirm" required autocomplete="off" spellcheck="false" maxlength="${USER_UNITS}">`,
      button: 'Erase',
      back: addresses.userPage(user),
      signIn,
    })
    return answers.page(
      c,
      { title: `Erase ${printable(user)}?`, signIn, section: 'users' },
      content,
    )
  }
}

/** `POST /admin/user/erase`: a page that grows while the erase runs, without a script, and ends with its result. */
export function eraseAction({ addresses, administer, now, log }: PageParts): Action {
  return async (c, { form, signIn }) => {
    const user = knownUser(form.value('user'))
    refuseOwnBlock(user, signIn)
    const back = { href: addresses.userPage(user), label: 'Back to the user' }
    if (form.value('confirm') !== user) {
      throw new PageError('invalid_request', {
        reason: 'the user was not typed as it is',
        heading: 'Nothing was erased',
        advice: 'What you typed to confirm is not the user. Type it exactly as it is shown.',
        action: {
          href: `${addresses.root}/user/erase?${new URLSearchParams({ user })}`,
          label: 'Try again',
        },
      })
    }
    const lines = await administer.eraseUser(adminRequest(c), user)
    const frame = { title: `Erasing ${printable(user)}`, signIn, section: 'users' } as const
    const start = html`${pageStart(addresses, frame)}
<p>This page grows while the erase runs, and ends with a summary. It goes on if you leave.</p>
<ol class="progress" aria-live="polite" aria-label="Progress">
`
    const end = html`<p><a class="button" href="${back.href}">${back.label}</a></p>${pageEnd(frame)}`
    const onError = (error: unknown) =>
      log.error({ ...whyOf(error), request_id: c.var.requestId }, 'an erase broke off')
    const texts = pageOf(lines, {
      start: String(start),
      end: String(end),
      onError,
      textOf: (line) => textOf(line, unixSeconds(now)),
    })
    // A proxy that waits for the whole page would show no progress.
    c.header('X-Accel-Buffering', 'no')
    return streamTexts(c, texts, { type: 'text/html; charset=UTF-8', atOnce: true, onError })
  }
}

function textOf(line: EraseLine, now: number): string {
  return String(line.type === 'progress' ? eraseProgress(line) : eraseSummary(line, now))
}

interface GrowingPage {
  readonly start: string
  readonly end: string
  readonly textOf: (line: EraseLine) => string
  readonly onError: (error: unknown) => void
}

/**
 * Throws an error that comes before the first line; shows a later one on the page, which has begun then. Screen readers
 * read each line, so one that says nothing new is left out; a line end in its place keeps proxies waiting.
 */
async function* pageOf(
  lines: AsyncGenerator<EraseLine, void, undefined>,
  { start, end, textOf: text, onError }: GrowingPage,
): AsyncGenerator<string, void, undefined> {
  const first = await lines.next()
  let shown = first.done === true ? '' : text(first.value)
  yield start + shown
  try {
    for await (const line of lines) {
      const next = text(line)
      yield next === shown ? '\n' : next
      shown = next
    }
  } catch (error) {
    onError(error)
    yield String(eraseBreak())
  }
  yield end
}

const FIGURES: readonly (readonly [keyof EraseCounts, string, string])[] = [
  ['sessions_cancelled', 'session', 'cancelled'],
  ['threads_deleted', 'thread', 'deleted'],
  ['threads_failed', 'thread', 'failed'],
  ['attachments_deleted', 'attachment', 'deleted'],
  ['records_erased', 'record', 'erased'],
]

/** The progress so far, as an entry of the page's list. */
function eraseProgress(figures: EraseProgress): Html {
  const done = FIGURES.flatMap(([name, what, became]) =>
    figures[name] ? [`${count(figures[name], what)} ${became}`] : [],
  )
  return html`<li>${done.length === 0 ? 'Begun' : done.join(' · ')}</li>
`
}

/** The result; closes the list. */
function eraseSummary(summary: EraseSummary, now: number): Html {
  const { complete, sessions, failed, failures, blocked_until: until } = summary
  const heading = complete ? 'Everything is erased' : 'Not everything could be erased'
  const block =
    until === null ? 'The block is lifted.' : html`The user is blocked until ${moment(until, now)}.`
  return html`</ol>
<section class="panel ${complete ? 'good' : 'bad'}" role="status" aria-labelledby="summary">
<h2 id="summary">${heading}</h2>
${facts([
  ['Sessions cancelled', String(sessions.cancelled)],
  ['Threads deleted', String(summary.threads_deleted)],
  ['Attachments deleted', String(summary.attachments_deleted)],
  ['Records erased', String(summary.records_erased)],
  ['Failures', String(failed)],
])}
${sessions.cancelling.length === 0 ? '' : html`<p>OpenAI has not confirmed ${count(sessions.cancelling.length, 'session')} yet, and is asked until it does: ${sessions.cancelling.join(', ')}</p>`}
${failureList(failures, failed)}
<p>${block}${complete ? '' : ' Start the erase again to try the rest.'}</p>
</section>
`
}

/** Replaces the summary when an erase broke off. */
function eraseBreak(): Html {
  return html`</ol>
<section class="panel bad" role="alert" aria-labelledby="summary"><h2 id="summary">Broken off</h2>
<p>The erase did not come to its end. What was erased stays erased: start it again to do the rest.</p></section>
`
}

function failureList(failures: readonly Failure[], failed: number): Html {
  if (failures.length === 0) return html``
  const entries = failures.map(
    ({ what, workflow, id, code }) =>
      html`<li>${what} ${id === undefined ? '' : html`<code>${id}</code>`} ${workflow ?? ''}: ${code}</li>`,
  )
  const more = failed > failures.length ? html`<p>… and ${failed - failures.length} more.</p>` : ''
  return html`<h3>Failures</h3><ul>${entries}</ul>${more}`
}
