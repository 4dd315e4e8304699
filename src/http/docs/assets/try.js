// Lets a reader of the API reference send calls of users and admins to this service.

import { address, make } from './docs.js'

/** Kept in this variable alone, so that it is gone when the tab is closed. */
let token = ''
/** The fields that show it. */
const secrets = []

/** Most characters of an answer that are shown. */
const MOST_SHOWN = 100_000
const CREDENTIALS = ['userToken', 'adminToken']

function labelled(text, control) {
  control.autocomplete = 'off'
  control.spellcheck = false
  return make('label', { className: 'grow', children: [text, control] })
}

function parameterControl({ required, schema }) {
  const { enum: words, default: usual = '' } = schema
  if (words === undefined) return make('input', { required, placeholder: String(usual) })
  const children = ['', ...words].map((value) => make('option', { value, textContent: value }))
  return make('select', { children })
}

function formOf({ method, path, parameters, requestBody }) {
  const fields = parameters.map((one) => ({ ...one, control: parameterControl(one) }))
  const example = requestBody?.content['application/json']?.example
  const body = make('textarea', { value: JSON.stringify(example, null, 2) ?? '' })
  const secret = make('input', { type: 'password', required: true, value: token })
  secrets.push(secret)
  const answer = make('pre', { tabIndex: 0, role: 'region', ariaLabel: 'Answer', hidden: true })
  const button = make('button', { textContent: `Send ${method}` })
  const form = make('form', {
    className: 'try panel',
    children: [
      make('h3', { textContent: 'Try it' }),
      make('p', {
        className: 'fine',
        textContent:
          'A real call to this service. The token stays in this tab and is stored nowhere.',
      }),
      labelled('Token', secret),
      ...fields.map(({ name, control }) => labelled(name, control)),
      ...(requestBody === undefined ? [] : [labelled('Body', body)]),
      button,
      answer,
    ],
  })
  // At once in every form: a reader who pastes another token into a field that seems empty would get both in one.
  secret.addEventListener('input', () => {
    token = secret.value
    for (const other of secrets) if (other !== secret) other.value = token
  })
  form.addEventListener('submit', async (event) => {
    event.preventDefault()
    button.disabled = true
    const url = address(`..${withParameters(path, fields)}`)
    answer.textContent = await send(url, { method, body: requestBody && body.value })
    answer.hidden = false
    button.disabled = false
  })
  return form
}

function withParameters(path, fields) {
  const query = new URLSearchParams()
  let filled = path
  for (const { name, in: place, control } of fields) {
    if (place === 'path') filled = filled.replace(`{${name}}`, encodeURIComponent(control.value))
    else if (control.value !== '') query.set(name, control.value)
  }
  return query.size === 0 ? filled : `${filled}?${query}`
}

async function send(url, { method, body }) {
  const headers = { authorization: `Bearer ${token}` }
  if (body) headers['content-type'] = 'application/json'
  try {
    const response = await fetch(url, {
      method,
      headers,
      body: body || undefined,
      credentials: 'omit',
      redirect: 'error',
      cache: 'no-store',
    })
    const text = await response.text()
    return `${response.status} ${response.statusText}\n\n${readable(text).slice(0, MOST_SHOWN)}`
  } catch (error) {
    return `No answer: ${error.message}`
  }
}

/** Indents JSON; other text stays as it is. */
function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

async function addForms() {
  const { paths } = await (await fetch(address('../openapi.json'))).json()
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const call = { ...operation, method: method.toUpperCase(), path }
      const mayTry = call.security.some((one) => CREDENTIALS.some((name) => name in one))
      const entry = document.getElementById(call.operationId)
      if (mayTry) addWhenOpened(entry, call)
    }
  }
}

/** Makes a form only when its call is opened, because the page has dozens of calls. */
function addWhenOpened(entry, call) {
  const add = () => entry.querySelector('p').after(formOf(call))
  if (entry.open) add()
  else entry.addEventListener('toggle', add, { once: true })
}

// Without the description there are no forms. In Firefox its request also fails when the page is left.
addForms().catch(() => {})
