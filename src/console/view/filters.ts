// Makes the forms that filter a list by GET, and addresses with such filters.

import { html } from 'hono/html'
import { type Html, USER_UNITS } from './layout.ts'

/** A form whose fields are the filters of the list at `action`. */
export function filterForm({
  action,
  label,
  fields,
}: {
  /** Path of the list without filters, to which "Reset" leads. */
  readonly action: string
  readonly label: string
  readonly fields: Html
}): Html {
  return html`<form class="filters" method="get" action="${action}" aria-label="${label}">
${fields}
<div class="buttons"><button>Search</button> <a href="${action}">Reset</a></div>
</form>`
}

/** A field for a user, or for another name that is compared as a whole. */
export function textField(name: string, label: string, value: string | undefined): Html {
  return html`<div><label for="f-${name}">${label}</label><input id="f-${name}" name="${name}" value="${value ?? ''}" maxlength="${USER_UNITS}" autocomplete="off" spellcheck="false"></div>`
}

/** A field for a date and a time, to the minute; the label says that it is UTC. */
export function minuteField(name: string, label: string, value: string | undefined): Html {
  return html`<div><label for="f-${name}">${label}</label><input id="f-${name}" name="${name}" type="datetime-local" value="${value ?? ''}"></div>`
}

/** A field of choices, each with its value and its label. A filter that is no choice any more becomes one. */
export function choiceField({
  name,
  label,
  choices,
  chosen,
}: {
  readonly name: string
  readonly label: string
  readonly choices: readonly (readonly [string, string])[]
  readonly chosen: string | undefined
}): Html {
  const isKnown = !chosen || choices.some(([value]) => value === chosen)
  const all = isKnown ? choices : [...choices, [chosen, chosen] as const]
  const options = all.map(
    ([value, text]) =>
      html`<option value="${value}"${value === chosen ? html` selected` : ''}>${text}</option>`,
  )
  return html`<div><label for="f-${name}">${label}</label><select id="f-${name}" name="${name}">${options}</select></div>`
}

/** The workflows of the config, or any. */
export function workflowField(
  workflows: readonly { readonly name: string }[],
  chosen: string | undefined,
): Html {
  const names = workflows.map(({ name }) => [name, name] as const)
  return choiceField({
    name: 'workflow',
    label: 'Workflow',
    choices: [['', 'Any'], ...names],
    chosen,
  })
}

/** The path with all parameters that are not empty. */
export function addressWith(
  path: string,
  parameters: Readonly<Record<string, string | undefined>>,
): string {
  const set = Object.entries(parameters).flatMap(([name, value]) => (value ? [[name, value]] : []))
  return `${path}?${new URLSearchParams(set)}`
}
