/** So many in so many seconds, and how it stands. */
export interface RateLimitState {
  readonly max: number
  readonly seconds: number
  readonly remaining: number
  /** Milliseconds until the window ends. */
  readonly resetMs: number
}

/**
 * The two headers of draft-ietf-httpapi-ratelimit-headers: what the limit is, and what is left of it.
 *
 * @param policy - the limit's name, a token
 * @param state - limit and standing
 */
export function rateLimitHeaders(policy: string, state: RateLimitState): Record<string, string> {
  const reset = Math.ceil(state.resetMs / 1000)
  return {
    'RateLimit-Policy': `"${policy}";q=${state.max};w=${state.seconds}`,
    RateLimit: `"${policy}";r=${state.remaining};t=${reset}`,
  }
}
