// Searches while the admin types, refreshes parts that are not final yet, copies long ids, and loads kept pages anew.
// Without this script, each page has a button, a link or a title for the same.

const TYPED_MS = 250
const FIRST_MS = 1500
const MOST_MS = 10_000
/** Most refreshes of a page. Each adds a read to the audit, and by then probably nobody looks at the page. */
const MOST_TIMES = 60

let asked = new AbortController()
watchSearch(document.querySelector('form[data-live]'))
void keepRefreshing()
offerCopies()
closeMenus()
loadKeptPages()

function watchSearch(form) {
  let waiting
  form?.addEventListener('input', () => {
    clearTimeout(waiting)
    waiting = setTimeout(() => void search(form), TYPED_MS)
  })
}

async function search(form) {
  const url = new URL(form.action)
  url.search = String(new URLSearchParams(new FormData(form)))
  const answer = await renew(url, { evenFailed: true })
  if (answer === 'shown') history.replaceState(null, '', url)
  if (answer === 'none') showNoAnswer()
}

/** The results of another search must not stand below this one. */
function showNoAnswer() {
  document.getElementById('found').textContent =
    'The service does not answer. Press “Find” to try again.'
  document.getElementById('results').replaceChildren()
}

async function keepRefreshing(times = 0) {
  if (document.querySelector('[data-refresh]') === null || times >= MOST_TIMES) return
  await new Promise((resolve) => setTimeout(resolve, Math.min(FIRST_MS * (times + 1), MOST_MS)))
  // The header says that no person asked, so that the refresh does not keep the sign-in alive.
  const headers = { 'X-Page-Refresh': '1' }
  if (!isInUse()) await renew(new URL(location.href), { evenFailed: false, headers })
  await keepRefreshing(times + 1)
}

/** Whether a refresh would take the focus, close a menu, or undo a selection. */
function isInUse() {
  const within = (selector) => document.querySelector(`[data-part] ${selector}`) !== null
  return within(':focus') || within('[open]') || getSelection()?.type === 'Range'
}

/**
 * Replaces the parts of this page by those of the page at `url`. If that page lacks them, the browser goes there.
 *
 * @returns `none` when there was no answer, `left` when the browser goes to the page or a newer request replaced this
 * one
 */
async function renew(url, { evenFailed, headers = {} }) {
  asked.abort()
  asked = new AbortController()
  try {
    const response = await fetch(url, {
      signal: asked.signal,
      headers: { ...headers, accept: 'text/html' },
    })
    const page = new DOMParser().parseFromString(await response.text(), 'text/html')
    const pairs = Array.from(document.querySelectorAll('[data-part]'), (part) => [
      part,
      page.getElementById(part.id),
    ])
    if (pairs.some(([, fresh]) => fresh === null)) {
      if (response.status < 500 || evenFailed) location.assign(url)
      return 'left'
    }
    for (const [part, fresh] of pairs) put(part, fresh)
    return 'shown'
  } catch (error) {
    return error.name === 'AbortError' ? 'left' : 'none'
  }
}

function put(part, fresh) {
  part.toggleAttribute('data-refresh', fresh.hasAttribute('data-refresh'))
  if (part.innerHTML === fresh.innerHTML) return
  part.replaceChildren(...fresh.childNodes)
}

/**
 * Shows the copy buttons and makes them work. Browsers have no clipboard on pages without TLS from another
 * machine; there the buttons stay hidden.
 */
function offerCopies() {
  if (!navigator.clipboard) return
  document.documentElement.classList.add('copies')
  addEventListener('click', async ({ target }) => {
    const button = target.closest('button[data-copy]')
    if (button === null) return
    const done = navigator.clipboard.writeText(button.dataset.copy)
    // The label would hide the new text from screen readers.
    button.removeAttribute('aria-label')
    button.ariaLive = 'polite'
    button.textContent = await done.then(
      () => 'Copied',
      () => 'Not copied: select the text',
    )
  })
}

/**
 * Browsers may keep a page for their Back button, also after a sign-out, although it is `no-store`. This loads it anew
 * by its address: a reload could send a form again.
 */
function loadKeptPages() {
  addEventListener('pageshow', ({ persisted }) => {
    if (persisted) location.replace(location.pathname + location.search)
  })
}

/** Escape, or a click elsewhere, closes the menu of a row. */
function closeMenus() {
  const open = () => document.querySelector('details.menu[open]')
  addEventListener('click', ({ target }) => {
    const menu = open()
    if (menu !== null && !menu.contains(target)) menu.open = false
  })
  addEventListener('keydown', ({ key }) => {
    const menu = key === 'Escape' ? open() : null
    if (menu === null) return
    menu.open = false
    menu.querySelector('summary').focus()
  })
}
