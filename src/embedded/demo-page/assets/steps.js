// Shows the steps of one mint, in the order in which the service takes them.
import { box, claimsOf, element, make, masked } from './view.js'

/**
 * @typedef {object} Mint
 * @property {string} token - sent by the page
 * @property {string} asked - the workflow asked for; '' for the default
 * @property {number} status
 * @property {string | null} requestId
 * @property {Record<string, unknown>} body - of the answer
 */

/**
 * @typedef {object} Trace
 * @property {string} [workflow]
 * @property {string} [reason]
 * @property {{ method: string, path: string, key_hint: string | null, body: unknown, status: number }}
 * [sent]
 */

/** @typedef {Record<string, { id?: string, server?: string, when?: string }>} Workflows */

/**
 * Shows a mint, and replaces the one shown before.
 *
 * @param {Mint} mint
 * @param {Workflows} workflows - of the config file
 */
export async function showSteps(mint, workflows) {
  const trace = await traceOf(mint.requestId)
  const steps = [claimsStep(mint), ruleStep(mint, trace, workflows), sentStep(trace, workflows)]
  element('no-steps').hidden = true
  element('steps').replaceChildren(...steps, answerStep(mint))
}

export function clearSteps() {
  element('no-steps').hidden = false
  element('steps').replaceChildren()
}

/**
 * The records of service and ChatKit API about a request.
 *
 * @param {string | null} requestId
 * @returns {Promise<Trace>}
 */
async function traceOf(requestId) {
  const response = await fetch(`/demo/mints/${requestId ?? '-'}`)
  return response.ok ? response.json() : {}
}

/** @param {Mint} mint */
function claimsStep({ token, status }) {
  const { iss, sub, aud, groups, plan, roles, exp } = claimsOf(token)
  const good = status !== 401
  const text = good ? 'Signature, issuer, audience and times are right.' : 'The token is not good.'
  const claims = { iss, aud, sub, groups, plan, roles, exp }
  return step(good, { title: 'Authenticate: the claims of the token', text, content: claims })
}

/**
 * @param {Mint} mint
 * @param {Trace} trace
 * @param {Workflows} workflows
 */
function ruleStep({ asked, status, body }, { workflow }, workflows) {
  const title = 'Map: the rule that matched'
  const refused = ['workflow_not_allowed', 'claims_not_mapped'].includes(String(body['code']))
  if (refused) return step(false, { title, text: `None: “${asked}” is not for this user.` })
  if (workflow === undefined) {
    return step(status < 400, { title, text: 'The request did not come as far as the rules.' })
  }
  const before = Object.keys(workflows).slice(0, Object.keys(workflows).indexOf(workflow))
  const why =
    asked === ''
      ? `The first whose rule holds${before.length > 0 ? `; not ${before.join(', ')}` : ''}.`
      : 'Asked for by name, and its rule holds.'
  const { when = 'true, for everybody' } = workflows[workflow] ?? {}
  return step(true, { title, text: why, content: { workflow, when } })
}

/**
 * @param {Trace} trace
 * @param {Workflows} workflows
 */
function sentStep({ sent, workflow = '', reason }, workflows) {
  const { server } = workflows[workflow] ?? {}
  if (server !== undefined && reason === undefined) {
    const title = 'Mint: nothing goes to OpenAI'
    const text = `“${workflow}” has a server of its own; the service signs the secret itself.`
    return step(true, { title, text, content: { server } })
  }
  if (sent === undefined) {
    const title = 'Mint: nothing was sent'
    return step(false, { title, text: reason ? `The log says: ${reason}.` : 'It ended before.' })
  }
  const { method, path, key_hint, body, status } = sent
  const head = `${method} ${path}\nAuthorization: Bearer sk-${key_hint ?? '…'}\n\n`
  return step(status < 400, {
    title: 'Mint: what goes to the ChatKit API',
    text: 'User, workflow and state variables come from the token and the config, not from the page.',
    content: head + JSON.stringify(body, null, 2),
  })
}

/** @param {Mint} mint */
function answerStep({ status, body, requestId }) {
  const secret = body['client_secret']
  const title = `Respond: what comes back, ${status}`
  if (typeof secret !== 'string') {
    return step(false, { title, text: `Request ${requestId ?? ''}`, content: body })
  }
  const text = 'The client secret, and nothing else. The page keeps it in memory.'
  const answer = JSON.stringify({ client_secret: masked(secret) }, null, 2)
  const claims = secret.startsWith('eyJ') ? `\n\nIt says:\n${lines(claimsOf(secret))}` : ''
  return step(true, { title, text, content: answer + claims })
}

/**
 * @param {boolean} good
 * @param {{ title: string, text: string, content?: string | object }} parts
 */
function step(good, { title, text, content }) {
  const item = make('li', '', good ? 'good' : 'bad')
  item.append(make('h3', title), make('p', text))
  if (content !== undefined) {
    item.append(box(typeof content === 'string' ? content : lines(content), title))
  }
  return item
}

/** @param {object} value */
function lines(value) {
  return Object.entries(value)
    .filter(([, one]) => one !== undefined)
    .map(([name, one]) => `${name}: ${typeof one === 'string' ? one : JSON.stringify(one)}`)
    .join('\n')
}
