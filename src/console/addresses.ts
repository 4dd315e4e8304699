// Makes the addresses of the console, for links, cookies and redirects.

export type Addresses = ReturnType<typeof createAddresses>

/** Longest path to return to after a sign-in. A cookie holds it, and browsers drop a cookie that is too long. */
const MAX_CHARACTERS = 1500

/** @param publicUrl - the service as clients see it; may have a path */
export function createAddresses(publicUrl: string) {
  const { origin, pathname, protocol } = new URL(publicUrl)
  const root = `${pathname.replace(/\/+$/, '')}/admin`

  /**
   * The path of `to` if it is a page of the console, else the start page, so that no link can send an admin who
   * signs in to another site. For a download it is the page with its link: a browser would show the page before it.
   */
  function back(to: string | undefined): string {
    const url = to === undefined ? null : URL.parse(to, origin)
    if (url === null || url.origin !== origin) return root
    const isReceipt = url.pathname === `${root}/user/receipt`
    const path = (isReceipt ? `${root}/user` : url.pathname) + url.search
    const own = url.pathname.startsWith(`${root}/`)
    const isStep = /\/(?:sign-in|sign-out|signed-out|callback)$/.test(url.pathname)
    return own && !isStep && path.length <= MAX_CHARACTERS ? path : root
  }

  return {
    /** Path of the start page, without a slash at its end. */
    root,
    origin,
    /** The redirect URI to register at the identity provider. */
    redirectUri: `${origin}${root}/callback`,
    /** Whether browsers reach the console by https. */
    secure: protocol === 'https:',
    /** Path and query of a user's page. */
    userPage: (user: string): string => `${root}/user?${new URLSearchParams({ user })}`,
    sessionPage: (id: string): string => `${root}/sessions/${encodeURIComponent(id)}`,
    threadPage: (id: string): string => `${root}/threads/${encodeURIComponent(id)}`,
    back,
  }
}
