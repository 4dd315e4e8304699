/** Where the console is, for links, cookies and redirects. */
export interface Addresses {
  /** Path of the start page, without a slash at its end. */
  readonly root: string
  readonly origin: string
  /** Registered at the identity provider. */
  readonly redirectUri: string
  /** Whether browsers reach us by https. */
  readonly secure: boolean
  /** Path and query of a user's page. */
  userPage(user: string): string
  /**
   * A path to go back to, when it is one of the console's own; anything else is the start page, so
   * that no link can send somebody who signs in to another site.
   */
  back(to: string | undefined): string
}

/** Beyond this a cookie that holds it may be too long for browsers. */
const MOST_CHARACTERS = 1500

/** @param publicUrl - as clients see the service; may have a path */
export function createAddresses(publicUrl: string): Addresses {
  const { origin, pathname, protocol } = new URL(publicUrl)
  const root = `${pathname.replace(/\/+$/, '')}/admin`

  function back(to: string | undefined): string {
    const url = to === undefined ? null : URL.parse(to, origin)
    if (url === null || url.origin !== origin) return root
    const path = url.pathname + url.search
    const own = url.pathname === root || url.pathname.startsWith(`${root}/`)
    const isStep = /\/(?:sign-in|sign-out|signed-out|callback)$/.test(url.pathname)
    return own && !isStep && path.length <= MOST_CHARACTERS ? path : root
  }

  return {
    root,
    origin,
    redirectUri: `${origin}${root}/callback`,
    secure: protocol === 'https:',
    userPage: (user) => `${root}/user?${new URLSearchParams({ user })}`,
    back,
  }
}
