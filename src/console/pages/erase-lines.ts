import { html } from 'hono/html'
import type { EraseCounts, EraseProgress, EraseSummary } from '../../administer/erase.ts'
import type { Failure } from '../../administer/failures.ts'
import { facts, moment } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'

const FIGURES: readonly (readonly [keyof EraseCounts, string])[] = [
  ['sessions_cancelled', 'sessions cancelled'],
  ['threads_deleted', 'threads deleted'],
  ['threads_failed', 'threads failed'],
  ['attachments_deleted', 'attachments deleted'],
  ['records_erased', 'records erased'],
]

/**
 * How far an erase is, as an entry of its page's list.
 *
 * @param figures - so far
 */
export function eraseProgress(figures: EraseProgress): Html {
  const done = FIGURES.flatMap(([name, label]) =>
    figures[name] ? [`${figures[name]} ${label}`] : [],
  )
  return html`<li>${done.length === 0 ? 'Begun' : done.join(' · ')}</li>
`
}

/**
 * How an erase ended; closes the list.
 *
 * @param summary - its last line
 * @param now - Unix seconds
 */
export function eraseSummary(summary: EraseSummary, now: number): Html {
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
${sessions.cancelling.length === 0 ? '' : html`<p>${sessions.cancelling.length} sessions are not confirmed by OpenAI yet; it is asked until it does: ${sessions.cancelling.join(', ')}</p>`}
${failureList(failures, failed)}
<p>${block}${complete ? '' : ' Start the erase again to try the rest.'}</p>
</section>
`
}

/** For an erase whose lines ended before their summary. */
export function eraseBreak(): Html {
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
