import { html } from 'hono/html'
import type { EraseLine } from '../../administer/erase.ts'
import { adminRequest } from '../../http/authentication.ts'
import type { AppContext } from '../../http/context.ts'
import { answerExport } from '../../http/export-answer.ts'
import { unixSeconds } from '../../lib/clock.ts'
import type { Action } from '../guard.ts'
import type { PageOptions } from '../page-answers.ts'
import { PageError } from '../page-error.ts'
import { pageEnd, pageStart } from '../view/layout.ts'
import { eraseBreak, eraseProgress, eraseSummary } from './erase-lines.ts'
import { knownUser } from './user.ts'

/** `POST /admin/user/export`: a download, one JSON line after the other. */
export function exportAction({ administer, log, now }: PageOptions): Action {
  return async (c, { form }) => {
    const answer = await answerExport(c, { administer, log, now }, knownUser(form.value('user')))
    // Not before: the page of an error is to be read, not saved.
    answer.headers.set('Content-Disposition', 'attachment; filename="user-export.ndjson"')
    return answer
  }
}

/**
 * `POST /admin/user/erase`: a page that grows while the erase runs, so that it needs no script, and
 * ends with what came of it.
 */
export function eraseAction({ addresses, administer, now, log }: PageOptions): Action {
  return async (c, { form, session }) => {
    const user = knownUser(form.value('user'))
    const back = { href: addresses.userPage(user), label: 'Back to the user' }
    if (form.value('confirm') !== user) {
      throw new PageError('invalid_request', {
        reason: 'the user was not typed as it is',
        heading: 'Nothing was erased',
        advice: 'What you typed to confirm is not the user. Type it exactly as it is shown.',
        action: back,
      })
    }
    const lines = await administer.eraseUser(adminRequest(c), user)
    const frame = { title: `Erasing ${user}`, session, section: 'sessions' } as const
    const start = html`${pageStart(addresses, frame)}
<p>This page grows while the erase runs, and ends with a summary. It goes on if you leave.</p>
<ol class="progress" aria-live="polite" aria-label="Progress">
`
    const end = html`<p><a class="button" href="${back.href}">${back.label}</a></p>${pageEnd(frame)}`
    const texts = pageOf(lines, {
      ...{ start: String(start), end: String(end) },
      textOf: (line) => textOf(line, unixSeconds(now)),
      onError: (error) => log.error({ err: error, request_id: c.var.requestId }, 'erase ended'),
    })
    // A proxy that waits for the whole page would show no progress.
    c.header('X-Accel-Buffering', 'no')
    return answerPageStream(c, texts)
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

/** What goes wrong once the page has begun is said on it; what goes wrong before is thrown. */
async function* pageOf(
  lines: AsyncGenerator<EraseLine, void, undefined>,
  { start, end, textOf: text, onError }: GrowingPage,
): AsyncGenerator<string, void, undefined> {
  const first = await lines.next()
  yield first.done === true ? start : start + text(first.value)
  try {
    for await (const line of lines) yield text(line)
  } catch (error) {
    onError(error)
    yield String(eraseBreak())
  }
  yield end
}

/**
 * Sends texts as they come. The first one is awaited before anything is answered: until then an error
 * can still have a status of its own.
 */
async function answerPageStream(
  c: AppContext,
  texts: AsyncGenerator<string, void, undefined>,
): Promise<Response> {
  const encoder = new TextEncoder()
  const first = await texts.next()
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        if (first.done !== true) controller.enqueue(encoder.encode(first.value))
      },
      async pull(controller) {
        const { done, value } = await texts.next()
        if (done === true) controller.close()
        else controller.enqueue(encoder.encode(value))
      },
      cancel() {
        // Not awaited: it may be in the middle of a line.
        texts.return().catch(() => undefined)
      },
    },
    { highWaterMark: 1 },
  )
  return c.body(body, 200, { 'Content-Type': 'text/html; charset=UTF-8' })
}
