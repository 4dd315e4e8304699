// A minimal browser for a sign-in: it keeps cookies and follows redirects.

interface Cookie {
  readonly name: string
  readonly value: string
  readonly path: string
}

const MAX_REDIRECTS = 10

export type Browser = ReturnType<typeof createBrowser>

/** A new browser without cookies. Use it for one host only, because it sends its cookies to every host. */
export function createBrowser() {
  const cookies = new Map<string, Cookie>()

  async function send(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers)
    headers.set('cookie', cookieHeader([...cookies.values()], new URL(url).pathname))
    const response = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) keep(parseCookie(line))
    return response
  }

  function keep({ cookie, expired }: { cookie: Cookie; expired: boolean }): void {
    const key = `${cookie.name};${cookie.path}`
    if (expired) cookies.delete(key)
    else cookies.set(key, cookie)
  }

  return {
    /** Sends one request; redirects are not followed. */
    send,
    /**
     * Follows redirects until a page comes, or a redirect leads to `until`.
     *
     * @param until - beginning of an address that is not requested any more
     * @returns the page, or the address of that last redirect
     */
    async visit(
      url: string,
      { until, init }: { until: string; init?: RequestInit },
    ): Promise<Response | URL> {
      let address = new URL(url)
      let response = await send(address.href, init)
      for (let left = MAX_REDIRECTS; left > 0; left--) {
        const location = response.headers.get('location')
        if (location === null) return response
        await response.body?.cancel()
        address = new URL(location, address)
        if (address.href.startsWith(until)) return address
        response = await send(address.href)
      }
      throw new Error(`more than ${MAX_REDIRECTS} redirects`)
    },
  }
}

function cookieHeader(cookies: readonly Cookie[], path: string): string {
  return cookies
    .filter((cookie) => path.startsWith(cookie.path))
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ')
}

function parseCookie(line: string): { cookie: Cookie; expired: boolean } {
  const [pair = '', ...attributes] = line.split(/;\s*/)
  const [name = '', value = ''] = splitOnce(pair)
  const named = new Map(
    attributes.map(splitOnce).map(([key = '', text = '']) => [key.toLowerCase(), text]),
  )
  const expires = named.get('expires')
  return {
    cookie: { name, value, path: named.get('path') ?? '/' },
    expired: expires !== undefined && Date.parse(expires) <= Date.now(),
  }
}

function splitOnce(text: string): [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}
