// The forms on a user's page: revoke, unblock, export, receipt, erase.

import { html } from 'hono/html'
import type { UserId } from '../../lib/ids.ts'
import type { SignIn } from '../sign-in/sign-in-cookie.ts'
import { panel } from '../view/fragments.ts'
import { csrfField, type Html } from '../view/layout.ts'

interface UserFormsParts {
  /** Path of the console. */
  readonly root: string
  readonly signIn: SignIn
  readonly user: UserId
}

/** The lengths of a block that the form offers, in seconds. */
const DURATIONS: readonly (readonly [number, string])[] = [
  [0, 'No block'],
  [900, '15 minutes'],
  [3600, '1 hour'],
  [86_400, '1 day'],
  [604_800, '7 days'],
  [2_592_000, '30 days'],
  [31_536_000, '1 year'],
]
const USUAL_SECONDS = 3600

/** Shown where receipts are not available. */
export const NO_RECEIPTS =
  'Receipts need PUBLIC_URL and a signing key: SQLite keeps one, Redis needs SIGNING_KEY_FILE.'

/** Forms and links to revoke, export and erase the user, and for a receipt. */
export function actionPanels(parts: UserFormsParts & { readonly receipts: boolean }): Html {
  return html`<div class="actions">
${panel({ id: 'revoke', title: 'Revoke access', content: revokeForm(parts) })}
${panel({ id: 'data', title: 'Data', content: dataForms(parts) })}
</div>`
}

/** The button that lifts the block. */
export function unblockForm(parts: UserFormsParts): Html {
  return html`${form(parts, 'unblock')}<button class="small">Unblock</button></form>`
}

function revokeForm(parts: UserFormsParts): Html {
  const durations = DURATIONS.map(
    ([seconds, label]) =>
      html`<option value="${seconds}"${seconds === USUAL_SECONDS ? html` selected` : ''}>${label}</option>`,
  )
  return html`<form class="row" method="get" action="${parts.root}/user/revoke"><input type="hidden" name="user" value="${parts.user}">
<div><label for="block">Block for</label><select id="block" name="block_seconds">${durations}</select></div>
<div class="grow"><label for="reason">Reason <span class="fine">(for the audit)</span></label><input id="reason" name="reason" maxlength="500" autocomplete="off"></div>
<button class="danger quiet">Revoke…</button>
</form>
<p class="fine">Cancels all of the user's sessions; with a block, no new ones are minted until it ends. You are asked before it is done.</p>`
}

function dataForms(parts: UserFormsParts & { readonly receipts: boolean }): Html {
  const { root, user, receipts } = parts
  const query = new URLSearchParams({ user })
  return html`<div class="data">${form(parts, 'export')}<button class="quiet">Export</button></form>
<span class="fine">Sessions, threads, items and audit, one JSON line each.</span>
${
  receipts
    ? html`<a class="button quiet" href="${root}/user/receipt?${query}">Receipt</a>
<span class="fine">Signed: what was live, who ended it, what the upstream confirmed.</span>`
    : html`<span></span><span class="fine">${NO_RECEIPTS}</span>`
}
<a class="button danger quiet" href="${root}/user/erase?${query}">Erase…</a>
<span class="fine">Threads, items and records. You are asked before it is done.</span></div>`
}

/** Opens a form about the user; the caller closes it. */
function form({ root, signIn, user }: UserFormsParts, what: string): Html {
  return html`<form method="post" action="${root}/user/${what}">${csrfField(signIn)}<input type="hidden" name="user" value="${user}">`
}
