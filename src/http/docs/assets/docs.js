// Search while typing, and buttons that copy code. The pages need this script for nothing else.

const COPIED_MS = 2000

/** Resolves a path against this script's own URL, because a proxy may serve the docs below a path of its own. */
export const address = (path) => new URL(path, import.meta.url)

/** Makes an element with these properties. */
export function make(tag, { children = [], ...properties }) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

/** The module of the search; undefined when it cannot be loaded. In Firefox that also happens when the page is left. */
const loadIndex = () => import(address('find.js')).catch(() => undefined)

/** A combobox as in the ARIA Authoring Practices: the focus stays in the field, the arrow keys choose. */
function searchAsTyped(input) {
  const list = make('ul', { id: 'found', className: 'found', role: 'listbox', hidden: true })
  list.ariaLabel = 'Results'
  const count = make('p', { className: 'hidden', role: 'status' })
  input.form.append(list, count)
  input.role = 'combobox'
  input.ariaExpanded = 'false'
  input.ariaAutoComplete = 'list'
  input.setAttribute('aria-controls', list.id)

  /** Index in the list; -1 while none is chosen. */
  let chosen = -1

  function close() {
    list.hidden = true
    input.ariaExpanded = 'false'
    input.removeAttribute('aria-activedescendant')
    chosen = -1
  }

  async function show() {
    const index = await loadIndex()
    close()
    // Only leaving the field closes the list, so none may open after that.
    if (index === undefined || document.activeElement !== input) return
    const found = index.find(input.value).slice(0, 8)
    list.replaceChildren(...found.map(option))
    count.textContent = `${found.length} results`
    list.hidden = found.length === 0
    input.ariaExpanded = String(found.length > 0)
  }

  function choose(at) {
    const { children } = list
    if (chosen >= 0) children[chosen].ariaSelected = 'false'
    chosen = (at + children.length) % children.length
    children[chosen].ariaSelected = 'true'
    children[chosen].scrollIntoView({ block: 'nearest' })
    input.setAttribute('aria-activedescendant', children[chosen].id)
  }

  const keys = {
    ArrowDown: () => choose(chosen + 1),
    ArrowUp: () => choose(chosen < 0 ? -1 : chosen - 1),
    // With nothing chosen, the form is sent: it opens the page with all results.
    Enter: () => chosen >= 0 && location.assign(list.children[chosen].dataset.href),
    Escape: close,
  }
  input.addEventListener('focus', loadIndex, { once: true })
  input.addEventListener('input', show)
  input.addEventListener('blur', close)
  input.addEventListener('keydown', (event) => {
    const act = list.hidden ? undefined : keys[event.key]
    if (act === undefined || act() === false) return
    event.preventDefault()
  })
  // Keeps the focus in the field. Otherwise `blur` would close the list before the click arrives.
  list.addEventListener('mousedown', (event) => event.preventDefault())
  list.addEventListener('click', ({ target }) => {
    const { href } = target.closest('li')?.dataset ?? {}
    if (href !== undefined) location.assign(href)
  })
  document.addEventListener('keydown', (event) => {
    const writing = event.target.closest('input, textarea, select')
    if (event.key !== '/' || writing || event.ctrlKey || event.metaKey || event.altKey) return
    event.preventDefault()
    input.select()
  })
}

function option({ page, title, anchor, heading, excerpt }, at) {
  const children = [
    make('b', { textContent: heading }),
    ' ',
    make('small', { textContent: title }),
    make('p', { textContent: excerpt }),
  ]
  const item = make('li', { id: `found-${at}`, role: 'option', children })
  item.ariaSelected = 'false'
  item.dataset.href = address(`${page || '../docs'}#${anchor}`)
  return item
}

function addCopyButton(block) {
  const button = make('button', { className: 'copy quiet small', textContent: 'Copy' })
  button.ariaLive = 'polite'
  button.addEventListener('click', async () => {
    const done = navigator.clipboard.writeText(block.querySelector('code').textContent)
    button.textContent = await done.then(
      () => 'Copied',
      () => 'Not copied: select the text',
    )
    setTimeout(() => {
      button.textContent = 'Copy'
    }, COPIED_MS)
  })
  block.append(button)
}

/** Opens the call that the address names. The reference used to be at `/docs`: old links are sent on to `/docs/api`. */
function followHash() {
  const target = document.getElementById(location.hash.slice(1))
  if (target?.localName === 'details') target.open = true
  const isStart = location.pathname === address('../docs').pathname
  if (isStart && location.hash !== '' && target === null) {
    location.replace(address(`api${location.hash}`))
  }
}

searchAsTyped(document.getElementById('q'))
// Browsers offer no clipboard to pages that came without TLS from another machine.
if (navigator.clipboard) document.querySelectorAll('.code').forEach(addCopyButton)
followHash()
addEventListener('hashchange', followHash)
