// Loads ChatKit's own element, if the network allows it.
import { element, enable, make, say } from './view.js'

const SCRIPT = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js'

/** @typedef {HTMLElement & { setOptions(options: object): void }} ChatKitElement */

/**
 * Wires the button that loads ChatKit's own script.
 *
 * @param {typeof fetch} chatKitFetch - adds the client secret
 */
export function offerWidget(chatKitFetch) {
  element('load-widget').addEventListener('click', async () => {
    enable('load-widget', false)
    say('widget-note', 'Loading…')
    try {
      await load()
      mount(chatKitFetch)
      say('widget-note', 'ChatKit is loaded, and talks to the gateway as this user.', 'good')
    } catch {
      enable('load-widget', true)
      say(
        'widget-note',
        'ChatKit cannot be loaded: this browser does not reach OpenAI’s network. The chat above needs none.',
        'bad',
      )
    }
  })
}

function load() {
  return new Promise((resolve, reject) => {
    const script = make('script')
    script.onload = resolve
    script.onerror = () => {
      script.remove()
      reject(new Error('not loaded'))
    }
    script.src = SCRIPT
    document.head.append(script)
  })
}

/** @param {typeof fetch} chatKitFetch */
function mount(chatKitFetch) {
  const widget = /** @type {ChatKitElement} */ (document.createElement('openai-chatkit'))
  widget.setOptions({
    api: {
      url: `${location.origin}/chatkit/helpdesk`,
      // ChatKit accepts this key on localhost, where no domain is registered.
      domainKey: 'local-dev',
      fetch: chatKitFetch,
    },
  })
  element('widget').replaceChildren(widget)
}
