/** A browser as far as sign-ins and the console need one: cookies by host, forms, `Origin` and `Referer`. */
export interface Browser {
  /** Follows redirects, to other hosts too, until a page comes. */
  go(url: string): Promise<Seen>
  /** Sends one request as it is; redirects are not followed. */
  send(url: string, init?: RequestInit): Promise<Response>
  /** Follows the first link of the page seen last whose address holds this text. */
  follow(text: string): Promise<Seen>
  /**
   * Sends a form of the page seen last as a browser would; `changes` replaces fields. A redirect to an address that
   * begins with `until` is not followed: the page then has that address, and status 0.
   */
  submit(action: string, changes?: Readonly<Record<string, string>>, until?: string): Promise<Seen>
  /** The page seen last. */
  readonly page: Seen
  cookies(url: string): ReadonlyMap<string, string>
  setCookie(url: string, name: string, value: string): void
}

/** A page, read to its end. */
export interface Seen {
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly html: string
  /** Without tags, for reading. */
  readonly text: string
}

const MOST_REDIRECTS = 12
const NOTHING: Seen = { url: '', status: 0, headers: new Headers(), html: '', text: '' }

export function createBrowser(): Browser {
  const jars = new Map<string, Map<string, string>>()
  let page: Seen = NOTHING

  function jarOf(url: string): Map<string, string> {
    const { host } = new URL(url)
    const jar = jars.get(host) ?? new Map<string, string>()
    jars.set(host, jar)
    return jar
  }

  async function send(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    if (!headers.has('accept')) headers.set('accept', 'text/html,*/*;q=0.8')
    const jar = jarOf(url)
    if (jar.size > 0) headers.set('cookie', [...jar].map((pair) => pair.join('=')).join('; '))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) keep(jar, line)
    return response
  }

  async function follow(first: string, init?: RequestInit, until?: string): Promise<Seen> {
    let url = first
    let response = await send(url, init)
    for (let left = MOST_REDIRECTS; left > 0; left--) {
      const location = response.headers.get('location')
      if (location === null) break
      await response.body?.cancel()
      url = new URL(location, url).href
      if (until !== undefined && url.startsWith(until)) {
        page = { ...NOTHING, url }
        return page
      }
      response = await send(url)
    }
    const html = await response.text()
    const text = html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ')
    page = { url, status: response.status, headers: response.headers, html, text }
    return page
  }

  return {
    send,
    go: (url) => follow(url),
    follow(text) {
      const links = page.html.matchAll(/<a[^>]*href="([^"]*)"/g)
      const found = Array.from(links, ([, href = '']) => unescaped(href))
      const href = found.find((one) => one.includes(text))
      if (href === undefined) throw new Error(`no link to ${text} on ${page.url}:\n${page.html}`)
      return follow(new URL(href, page.url).href)
    },
    submit(action, changes = {}, until) {
      const form = formOf(page, action)
      const target = new URL(form.action, page.url).href
      if (form.isSearch) {
        return follow(`${target}?${new URLSearchParams({ ...form.fields, ...changes })}`)
      }
      const { origin } = new URL(page.url)
      const init = {
        method: 'POST',
        body: new URLSearchParams({ ...form.fields, ...changes }),
        headers: { origin, referer: page.url },
      }
      return follow(target, init, until)
    },
    get page() {
      return page
    },
    cookies: jarOf,
    setCookie: (url, name, value) => void jarOf(url).set(name, value),
  }
}

/** The token in the forms of a page of the console; empty when it has none. */
export function csrfOf({ html }: Pick<Seen, 'html'>): string {
  return /name="csrf" value="([^"]+)"/.exec(html)?.[1] ?? ''
}

/** Sends fields as a form, whether a page has such a form or not; redirects are not followed. */
export function sendForm(
  browser: Browser,
  url: string,
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const { origin } = new URL(url)
  const body = new URLSearchParams(fields)
  return browser.send(url, { method: 'POST', body, headers: { origin, ...headers } })
}

/** The first form whose action contains this text, with the values of its fields. */
function formOf({ html, url }: Seen, action: string) {
  for (const [, attributes = '', content = ''] of html.matchAll(
    /<form([^>]*)>([\s\S]*?)<\/form>/g,
  )) {
    const target = unescaped(/action="([^"]*)"/.exec(attributes)?.[1] ?? url)
    if (!target.includes(action)) continue
    const inputs = Array.from(content.matchAll(/<input([^>]*)>/g), ([, text = '']) => [
      unescaped(/name="([^"]*)"/.exec(text)?.[1] ?? ''),
      unescaped(/value="([^"]*)"/.exec(text)?.[1] ?? ''),
    ])
    const selects = Array.from(
      content.matchAll(/<select[^>]*name="([^"]*)"[^>]*>([\s\S]*?)<\/select>/g),
    )
    const chosen = selects.map(([, name = '', options = '']) => [
      name,
      /value="([^"]*)" selected/.exec(options)?.[1] ?? '',
    ])
    const isSearch = attributes.includes('method="get"')
    return { action: target, isSearch, fields: Object.fromEntries([...inputs, ...chosen]) }
  }
  throw new Error(`no form for ${action} on ${url}:\n${html}`)
}

export function unescaped(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&')
}

function keep(jar: Map<string, string>, line: string): void {
  const [pair = ''] = line.split(';')
  const at = pair.indexOf('=')
  const name = pair.slice(0, at)
  const expires = /;\s*expires=([^;]+)/i.exec(line)?.[1]
  const gone = /;\s*max-age=0(?:;|$)/i.test(line) || (expires && Date.parse(expires) <= Date.now())
  if (gone) jar.delete(name)
  else jar.set(name, pair.slice(at + 1))
}
