// Puts elements and text on the page. It sets text only, so that foreign data can never become markup.

/**
 * @param {string} id - of an element that the page has
 * @returns {HTMLElement}
 */
export function element(id) {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`no element ${id}`)
  return found
}

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} [text]
 * @param {string} [className]
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, text = '', className = '') {
  const made = document.createElement(tag)
  made.textContent = text
  if (className !== '') made.className = className
  return made
}

/**
 * Shows a text in a notice of the page.
 *
 * @param {string} id
 * @param {string} text
 * @param {'' | 'good' | 'bad'} [kind]
 */
export function say(id, text, kind = '') {
  const note = element(id)
  note.className = `notice ${kind}`.trim()
  note.textContent = text
  note.hidden = false
}

/**
 * Why something failed, for a person. `fetch` throws a TypeError when a server does not answer.
 *
 * @param {unknown} error
 */
export function whyFailed(error) {
  const { code = '', message = String(error) } =
    /** @type {{ code?: string, message?: string }} */ (error)
  if (!(error instanceof TypeError) && code !== 'network_error') return message
  return 'The demo does not answer. If it has ended, start it again with “npm run demo”, and load this page again.'
}

/**
 * @param {string} id
 * @param {boolean} enabled
 */
export function enable(id, enabled) {
  element(id).toggleAttribute('disabled', !enabled)
}

/**
 * The end of a secret, enough to tell two apart, and the prefix of a hosted one (`ek_`).
 *
 * @param {string} secret
 */
export function masked(secret) {
  return `${secret.startsWith('ek_') ? 'ek_' : ''}…${secret.slice(-4)}`
}

/**
 * The claims of a JWT, without a check of its signature.
 *
 * @param {string} token
 * @returns {Record<string, unknown>}
 */
export function claimsOf(token) {
  const payload = token.split('.')[1] ?? ''
  const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (character) =>
    character.charCodeAt(0),
  )
  return JSON.parse(new TextDecoder().decode(bytes))
}

/**
 * A scrollable box of text, reachable by keyboard.
 *
 * @param {string} text
 * @param {string} label
 */
export function box(text, label) {
  const made = make('pre', text)
  made.tabIndex = 0
  made.setAttribute('role', 'region')
  made.setAttribute('aria-label', label)
  return made
}
