// Asks before something that cannot be undone: says what will happen, and does it only when its button is pressed.

import { html } from 'hono/html'
import type { SignIn } from '../sign-in/sign-in-cookie.ts'
import { csrfField, type Html } from './layout.ts'

interface Confirmation {
  /** One sentence each: what will happen. */
  readonly says: readonly (Html | string)[]
  /** Path of the form. */
  readonly action: string
  /** Hidden fields. */
  readonly fields?: Readonly<Record<string, string>>
  /** More of the form, shown above its button. */
  readonly more?: Html
  readonly button: string
  /** Path of the page to leave to. */
  readonly back: string
  readonly signIn: SignIn
}

/** The content of a page of its own, which works without a script. */
export function confirmation({ says, action, fields = {}, more, ...rest }: Confirmation): Html {
  const { button, back, signIn } = rest
  const hidden = Object.entries(fields).map(
    ([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`,
  )
  return html`<div class="panel message bad">
<ul class="says">${says.map((sentence) => html`<li>${sentence}</li>`)}</ul>
<form method="post" action="${action}">${csrfField(signIn)}${hidden}${more ?? ''}
<div class="buttons"><button class="danger">${button}</button> <a class="button quiet" href="${back}">Go back, change nothing</a></div>
</form>
</div>`
}
