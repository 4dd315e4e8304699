/** The script that defines the element, as the guides load it. */
export const CHATKIT_URL = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js'

/** Replaces ChatKit's script: the element asks the gateway for its threads and shows the answer. */
export const FAKE_CHATKIT = `customElements.define('openai-chatkit', class extends HTMLElement {
  setOptions({ api }) { this.api = api; this.ask() }
  async ask() {
    const body = JSON.stringify({ type: 'threads.list', params: {} })
    const headers = { 'Content-Type': 'application/json' }
    const answer = this.api.fetch(this.api.url, { method: 'POST', headers, body })
    this.textContent = await answer.then((one) => one.text()).catch((error) => error.message)
  }
})`

/** An answer that lists no threads. */
export const NO_THREADS = /"data":\[\]/

/** For a page: the element asks once more. */
export const ASK_AGAIN = `{
  const chat = document.querySelector('openai-chatkit')
  chat.textContent = ''
  void chat.ask()
}`
