/** Where things are for the page. */
export interface GatewayPageParts {
  /** Origin of the service. */
  readonly service: string
  /** A workflow on a ChatKit server. */
  readonly workflow: string
}

/**
 * The script of a page that speaks to the gateway as ChatKit's frame does: through the page's `api.fetch`, with a
 * header of its own on each request. `chatOf(token)` gives one user's chat.
 */
export const gatewayScript = ({ service, workflow }: GatewayPageParts) => `
import { createChatKitFetch } from '${service}/client.js'

let ahead = 0
const now = Date.now
Date.now = () => now() + ahead

window.chatOf = (token) => {
  const url = '${service}/chatkit/${workflow}'
  const chatKitFetch = createChatKitFetch({ url: '${service}', workflow: '${workflow}', getToken: () => token })
  const frameFetch = (input, init) => {
    const headers = new Headers(init.headers)
    headers.set('chatkit-frame-instance-id', 'frame_1')
    // Page context, as the page's own wrapper adds it.
    headers.set('article-id', 'article_7')
    return chatKitFetch(input, { ...init, headers })
  }
  const ask = (type, params) =>
    frameFetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ type, params }),
    })
  const input = (text, attachments) => ({ content: [{ type: 'input_text', text }], attachments, inference_options: {} })
  const events = []
  let onEvent
  const read = async (response) => {
    let rest = ''
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return events
      const frames = (rest + value).split('\\n\\n')
      rest = frames.pop()
      for (const frame of frames.filter((one) => one.startsWith('data: '))) {
        events.push(JSON.parse(frame.slice(6)))
        onEvent?.()
      }
    }
  }
  return {
    events,
    answer: async (type, params) => (await ask(type, params)).json(),
    /** Resolves with the first word of an answer, which goes on. */
    begin: (text) =>
      new Promise((resolve, reject) => {
        onEvent = () => events.at(-1).update && resolve(events.at(-1).update.delta)
        window.ended = ask('threads.create', { input: input(text, []) }).then(read)
        window.ended.catch(reject)
      }),
    create: async (text, attachments = []) => read(await ask('threads.create', { input: input(text, attachments) })),
    async put(link, body) {
      return (await frameFetch(link, { method: 'PUT', body })).status
    },
    async post(file) {
      const body = new FormData()
      body.set('file', file)
      return (await frameFetch(url, { method: 'POST', body })).json()
    },
  }
}

window.advance = (ms) => { ahead += ms }

/** A picture of that width. */
window.pngOf = async (width) => {
  const canvas = Object.assign(document.createElement('canvas'), { width, height: 2 })
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'))
  return new File([blob], 'a.png', { type: 'image/png' })
}

/** The width of what an <img> shows; 0 when it shows nothing. */
window.widthOf = async (src) => {
  const image = Object.assign(new Image(), { src, alt: '' })
  document.body.append(image)
  await image.decode().catch(() => undefined)
  return image.naturalWidth
}
window.loaded = true
`
