// A small chat over the ChatKit protocol, for the demo page.
import { element, enable, make, whyFailed } from './view.js'

/** @typedef {{ type: string, [name: string]: any }} Frame */

const API = '/chatkit/helpdesk'

/**
 * Wires the form.
 *
 * @param {typeof fetch} chatKitFetch - adds the client secret
 * @returns {{ clear(): void }}
 */
export function createChat(chatKitFetch) {
  const messages = element('messages')
  // Focusable, so that it can be scrolled by keyboard.
  messages.tabIndex = 0
  const text = /** @type {HTMLInputElement} */ (element('text'))
  /** @type {string | undefined} */
  let thread

  /** @param {HTMLElement} message */
  const show = (message) => {
    messages.append(message)
    messages.scrollTop = messages.scrollHeight
  }

  /** @param {string} said */
  async function send(said) {
    const input = {
      content: [{ type: 'input_text', text: said }],
      attachments: [],
      inference_options: {},
    }
    const body =
      thread === undefined
        ? { type: 'threads.create', params: { input } }
        : { type: 'threads.add_user_message', params: { thread_id: thread, input } }
    const response = await chatKitFetch(API, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error((await response.json()).detail)
    const answer = make('p', '', 'message theirs')
    for await (const frame of framesOf(response)) {
      if (frame.type === 'thread.created') thread = frame['thread'].id
      if (frame.type === 'error') throw new Error(frame['message'] ?? frame['code'])
      if (frame.type === 'notice') show(make('p', frame['message'], 'message theirs'))
      const delta = frame['update']?.delta
      if (typeof delta !== 'string') continue
      if (answer.textContent === '') show(answer)
      answer.append(delta)
      messages.scrollTop = messages.scrollHeight
    }
  }

  element('chat').addEventListener('submit', async (event) => {
    event.preventDefault()
    const said = text.value.trim()
    if (said === '') return
    text.value = ''
    show(make('p', said, 'message mine'))
    busy(true)
    try {
      await send(said)
    } catch (error) {
      const why = whyFailed(error)
      if (!why.startsWith('reset')) show(make('p', why, 'message bad'))
    } finally {
      busy(false)
      text.focus()
    }
  })

  return {
    clear() {
      thread = undefined
      messages.replaceChildren()
    },
  }
}

/**
 * Marks the list as busy, so that a screen reader reads a message only when it is complete.
 *
 * @param {boolean} is
 */
function busy(is) {
  element('messages').setAttribute('aria-busy', String(is))
  // An answer may end after a sign-out, which has disabled the form.
  enable('send', !is && !element('text').hasAttribute('disabled'))
}

/**
 * The events of an answer, as they come. Reading throws when the answer is cut off.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<Frame>}
 */
async function* framesOf(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let rest = ''
  while (reader !== undefined) {
    const { value, done } = await reader.read()
    if (done) return
    const frames = (rest + value).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) {
      if (frame.startsWith('data: ')) yield JSON.parse(frame.slice('data: '.length))
    }
  }
}
