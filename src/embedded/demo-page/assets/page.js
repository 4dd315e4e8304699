// The demo page works like an app: it signs in, gives the token to the helper, and mints client secrets. Here a
// button asks for them instead of ChatKit.
import { createChatKitFetch, createGetClientSecret } from '/client.js'
import { createChat } from './chat.js'
import { finishSignIn, startSignIn } from './sign-in.js'
import { clearSteps, showSteps } from './steps.js'
import { claimsOf, element, enable, make, masked, say, whyFailed } from './view.js'
import { offerWidget } from './widget.js'

/** @typedef {import('./sign-in.js').Provider & { workflows: import('./steps.js').Workflows }} Settings */

/** The token, and the client secret that ChatKit would hold. Both stay in memory. */
const held = {
  token: /** @type {string | undefined} */ (undefined),
  secret: /** @type {string | null} */ (null),
}

const select = /** @type {HTMLSelectElement} */ (element('workflow'))

/** @returns {import('/client.js').GetClientSecret} for the workflow that is selected */
function newGetClientSecret() {
  return createGetClientSecret({
    url: '',
    getToken: () => held.token,
    ...(select.value !== '' && { workflow: select.value }),
    fetch: watchedFetch,
    onSignedOut: (error) => say('outcome', `The token is no longer good: ${error.code}.`, 'bad'),
  })
}

let getClientSecret = newGetClientSecret()
/** @type {Settings} */
let settings

const chatKitFetch = createChatKitFetch({
  url: '',
  getToken: () => held.token,
  workflow: 'helpdesk',
})
const chat = createChat(chatKitFetch)

/** Makes the helper's calls, and shows them step by step. @type {typeof fetch} */
async function watchedFetch(input, init) {
  const response = await fetch(input, init)
  const body = await response
    .clone()
    .json()
    .catch(() => ({}))
  const { status, headers } = response
  if (status === 429) {
    say('outcome', `Too many: the helper asks again after ${headers.get('Retry-After')} seconds.`)
  }
  const requestId = headers.get('X-Request-Id')
  const token = held.token ?? ''
  await showSteps({ token, asked: select.value, status, requestId, body }, settings.workflows)
  return response
}

/** Mints. Pressing twice makes one call, because the helper shares it. */
async function mint() {
  say('outcome', 'Asking…')
  try {
    const before = held.secret
    held.secret = await getClientSecret(before)
    const text = before === null ? 'Minted' : 'Refreshed; the session before has ended'
    say('outcome', `${text}: ${masked(held.secret)}`, 'good')
  } catch (error) {
    const { code = 'failed', message } = /** @type {{ code?: string, message: string }} */ (error)
    const why = code === 'network_error' ? whyFailed(error) : message.replace(`${code}: `, '')
    const stopped =
      code === 'user_blocked'
        ? ' The helper asks no more until it is reset, as “Lift the block” and a new sign-in do.'
        : ''
    say('outcome', `Refused: ${code}. ${why}${stopped}`, 'bad')
  }
  element('mint').textContent = held.secret === null ? 'Mint' : 'Refresh'
}

/** Makes a new helper for another workflow, and forgets the old secret. */
function startOver() {
  getClientSecret.reset()
  getClientSecret = newGetClientSecret()
  held.secret = null
  element('mint').textContent = 'Mint'
  clearSteps()
}

/** @param {'revoke' | 'unblock'} action */
async function asAda(action) {
  const user = String(claimsOf(held.token ?? '')['sub'])
  const response = await fetch(`/demo/as-ada/${action}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user }),
  })
  if (!response.ok) return say('ada', `Refused: ${(await response.json()).detail}`, 'bad')
  if (action === 'revoke') {
    const { cancelled } = await response.json()
    const many = `${cancelled.length} ${cancelled.length === 1 ? 'session' : 'sessions'}`
    return say(
      'ada',
      `${many} of ${user} ended; ${user} is blocked for an hour. Now press ${element('mint').textContent}.`,
    )
  }
  // After a revoke, a helper stops until it is reset.
  startOver()
  chatKitFetch.reset()
  say('ada', `The block is lifted: ${user} can mint again.`, 'good')
  say('outcome', 'Ready.')
}

async function signOut() {
  startOver()
  chatKitFetch.reset()
  chat.clear()
  // ChatKit would go on showing the user's chat.
  element('widget').replaceChildren()
  element('widget-note').hidden = true
  const headers = { Authorization: `Bearer ${held.token}` }
  held.token = undefined
  showUser()
  element('sign-in').focus()
  const response = await fetch('/v1/sessions', { method: 'DELETE', headers })
  say('outcome', response.ok ? 'Signed out: all sessions have ended.' : 'Signed out of this page.')
}

function showUser() {
  const signedIn = held.token !== undefined
  for (const id of ['workflow', 'mint', 'revoke', 'unblock', 'text', 'send', 'load-widget']) {
    enable(id, signedIn)
  }
  element('sign-in').hidden = signedIn
  element('sign-out').hidden = !signedIn
  if (held.token === undefined) {
    element('who').textContent = 'Nobody is signed in.'
    return
  }
  const { sub, groups } = claimsOf(held.token)
  const list = [groups].flat().join(', ')
  element('who').replaceChildren(
    make('b', String(sub)),
    ` is signed in${list === '' ? ', and in no group.' : `, and in the group “${list}”.`}`,
  )
  say('outcome', 'Ready.')
}

/** @param {() => unknown} act */
const showingTrouble = (act) => async () => {
  element('trouble').hidden = true
  try {
    await act()
  } catch (error) {
    say('trouble', whyFailed(error), 'bad')
  }
}

async function start() {
  settings = await (await fetch('/demo/settings.json')).json()
  enable('sign-in', true)
  for (const [name, { id }] of Object.entries(settings.workflows)) {
    select.append(new Option(id === undefined ? name : `${name} (hosted, until 2026-11-30)`, name))
  }
  held.token = await finishSignIn(settings)
  if (held.token !== undefined) showUser()
}

const ACTIONS = /** @type {const} */ ([
  ['sign-in', () => startSignIn(settings)],
  ['sign-out', signOut],
  ['mint', mint],
  ['revoke', () => asAda('revoke')],
  ['unblock', () => asAda('unblock')],
])
for (const [id, act] of ACTIONS) element(id).addEventListener('click', showingTrouble(act))
select.addEventListener('change', startOver)
offerWidget(chatKitFetch)
await showingTrouble(start)()
