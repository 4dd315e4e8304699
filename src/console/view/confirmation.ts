// The form that asks for confirmation before an action that cannot be undone. It says what the action will do.

import { html } from 'hono/html'
import type { SignIn } from '../sign-in/sign-in-cookie.ts'
import { csrfField, type Html } from './layout.ts'

interface Confirmation {
  /** The consequences, one sentence each. */
  readonly says: readonly (Html | string)[]
  /** Path of the form. */
  readonly action: string
  /** Hidden fields of the form. */
  readonly fields?: Readonly<Record<string, string>>
  /** Further fields, shown above the button. */
  readonly more?: Html
  readonly button: string
  /** Path of the page to go back to. */
  readonly back: string
  readonly signIn: SignIn
}

/** The content of a confirmation page. It works without a script. */
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
