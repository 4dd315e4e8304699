/** Makes ChatKit's `api.getClientSecret` for hosted workflows, and its `api.fetch` for self-hosted ones. ES2022,
 * no build step. Secrets stay in memory. Write comments on separate lines: `GET /client.js` removes those lines. */

/**
 * @typedef {object} MintOptions
 * @property {string} url The service, as `https://chat.example.com`; `''` for the page's own origin, `'/app'` for a path there.
 * @property {() => string | null | undefined | Promise<string | null | undefined>} [getToken] Gives the signed-in user's token; called before each mint. Absent when the service reads a cookie.
 * @property {string} [workflow] Name of the workflow in the service's config; the user's default one when absent.
 * @property {Readonly<Record<string, string | number | boolean>>} [input] Values for the workflow's declared `input`.
 * @property {(error: MintError) => void} [onSignedOut] Called on a 401: the token is missing, expired or not accepted. Once somebody has signed in again, call `reset()`.
 * @property {(error: MintError) => void} [onRevoked] Called on `user_blocked`: an administrator has blocked the user.
 * @property {typeof fetch} [fetch] Used instead of the global `fetch`. `(url, init) => fetch(url, { ...init, credentials: 'include' })` sends the cookie of a service on another origin.
 */

/**
 * @typedef {object} Controls
 * @property {() => void} reset For a sign-out: forgets the secret, aborts calls in flight, and starts afresh.
 * @property {() => AbortSignal} signal Gives a signal that aborts at the next `reset()`.
 */
/** @typedef {((current?: string | null) => Promise<string>) & Controls} GetClientSecret */
/** @typedef {typeof fetch & Controls} ChatKitFetch */
/** The state between two resets. A reset aborts `over`, and so rejects `pending`, the mint that all callers wait for.
 * @typedef {{ over?: AbortController, request?: AbortController, timer?: ReturnType<typeof setTimeout>, pending?: Promise<string> | undefined, stopped?: MintError }} Run */
/** @typedef {(options: MintOptions, run: Run, current: string | null) => Promise<string>} Mint */

/** @type {(code: string) => (cause: unknown) => never} */
const failWith = (code) => (cause) => {
  throw new MintError(code, String(cause), { cause })
}

/** Why there is no client secret. Match on `code`. */
export class MintError extends Error {
  /** @param {string} code - the service's, `no_url`, `network_error`, `token_unavailable`, `invalid_response`, `reset`
   * @param {string} message - for developers
   * @param {{ status?: number, requestId?: string | undefined, retryAfterMs?: number | undefined, cause?: unknown }} [failure] - `requestId` is what the service's log has */
  constructor(code, message, { status, requestId, retryAfterMs, cause } = {}) {
    super(`${code}: ${message}`)
    this.name = 'MintError'
    // A getter: ChatKit posts errors to its frame, and a `cause` that cannot be cloned (a `Response`, functions) would keep it waiting for ever.
    Object.defineProperty(this, 'cause', { get: () => cause })
    /** A code of the service, or one of the helper's own. */
    this.code = code
    /** HTTP status of the answer; absent when none came. */
    this.status = status
    /** `request_id` of the answer; the service's log has it, too. */
    this.requestId = requestId
    /** Milliseconds to wait, as `Retry-After` of the answer says; at most two minutes. */
    this.retryAfterMs = retryAfterMs
  }
}

/**
 * For `api.getClientSecret`. Callers share a mint that is under way. A mint tries at most three times, with
 * jitter, and waits as long as `Retry-After` says. After a 4xx other than 408 and 429, every call fails at once until
 * `reset()`; after `token_expired` it first asks `getToken` for another token. It is for one user: on a server make one
 * in each request, since users who share it get each other's client secrets.
 *
 * @param {MintOptions} options
 * @returns {GetClientSecret} rejects with `MintError`
 * @throws {MintError} `no_url`
 */
export function createGetClientSecret(options) {
  if (options.url == null) failWith('no_url')('url is missing')
  /** @type {Run} */
  let run = {}
  // Not made before it is asked for: Cloudflare's servers refuse an AbortController while they load a page's modules.
  const signal = () => {
    run.over ??= new AbortController()
    return run.over.signal
  }
  return Object.assign(
    /** @param {string | null} [current] */
    (current = null) => {
      const mine = run
      if (mine.stopped) return Promise.reject(mine.stopped)
      mine.pending ??= orAborted(mint(options, mine, current), signal()).finally(() => {
        mine.pending = undefined
      })
      return mine.pending
    },
    {
      reset() {
        const reason = new MintError('reset', 'Signed out.')
        clearTimeout(run.timer)
        run.over?.abort(reason)
        run.request?.abort(reason)
        run = {}
      },
      signal,
    },
  )
}

/**
 * For `api.fetch` with a self-hosted workflow. Adds the client secret to each request to the service and to no
 * other. All requests share one secret, which is renewed when 80 % of its life is over, and after a 401. After a
 * 401 the request is sent once more, unless its body is a stream.
 *
 * @param {MintOptions & { getClientSecret?: GetClientSecret }} options - `getClientSecret` replaces that of the options
 * @returns {ChatKitFetch} rejects with `MintError` when it gets no secret
 * @throws {MintError} `no_url`
 */
export function createChatKitFetch(options) {
  if (options.url == null) failWith('no_url')('url is missing')
  const { getClientSecret = createGetClientSecret(options) } = options
  const { reset, signal } = getClientSecret
  /** @typedef {{ secret: Promise<string>, value?: string | undefined, due: number }} Held and renewed when it is due */
  /** @type {WeakMap<AbortSignal, Held>} the secret of each run */
  const secrets = new WeakMap()
  /** @type {(run: AbortSignal, old?: Held, valid?: Promise<string>) => Held} */
  const secretOf = (run, old, valid) => {
    const known = secrets.get(run)
    if (known && known !== old) return known
    const asked = getClientSecret(old?.value)
    // A secret that is due for renewal is still valid: all requests use it while the new one is late or refused.
    const soon = AbortSignal.timeout?.(5000) ?? run
    const secret = valid ? orAborted(asked, soon).catch(() => valid) : asked
    const next = { secret, value: old?.value, due: Infinity }
    secrets.set(run, next)
    // Only this browser's clock counts, as the service's may differ. A hosted secret is no JWT, and is never due.
    const due = asked.then((jwt) => {
      next.value = jwt
      next.secret = asked
      const [, payload = ''] = jwt.replace(/-/g, '+').replace(/_/g, '/').split('.')
      const { exp, iat } = JSON.parse(atob(payload))
      next.due = Date.now() + (exp - iat) * 800
    })
    due.catch(() => {})
    next.secret.catch(() => secrets.delete(run))
    return next
  }
  /** @type {typeof fetch} */
  const chatKitFetch = async (input, init) => {
    const send = options.fetch ?? fetch
    // Other origins never get the secret: an upload may go to a foreign storage.
    if (originOf(input) !== originOf(options.url)) return send(input, init)
    const run = signal()
    const asked = init?.signal ?? Object(input).signal
    // Older browsers cannot combine signals; they get the page's own signal.
    const aborted = asked ? (AbortSignal.any?.([asked, run]) ?? asked) : run
    /** @type {(held: Held) => Promise<Response>} */
    const sendWith = async ({ secret }) => {
      const headers = new Headers(init?.headers ?? Object(input).headers)
      headers.set('Authorization', `Bearer ${await orAborted(secret, aborted)}`)
      if (run.aborted) await orAborted(secret, run)
      const request = Object(input).clone?.() ?? input
      const response = await send(request, { ...init, headers, signal: aborted })
      // ChatKit reads `message` of a failure's JSON, and the service says it in `detail`.
      const { ok, json: own } = response
      const json = () =>
        own.call(response).then((body) => (body?.detail ? { message: body.detail, ...body } : body))
      return ok ? response : Object.assign(response, { json })
    }
    let held = secretOf(run)
    if (Date.now() >= held.due) held = secretOf(run, held, held.secret)
    const response = await sendWith(held)
    if (response.status !== 401) return response
    held = secretOf(run, held)
    // A stream cannot be sent again: the 401 is passed on, and the next request uses the new secret.
    if (Object(init?.body).getReader) return response
    await response.body?.cancel()
    return sendWith(held)
  }
  return Object.assign(chatKitFetch, { reset, signal })
}

/** @type {Mint} */
const mint = async (options, run, current) => {
  // An expired token may come from a cache: after a renewed sign-in, `getToken` gives another one.
  /** @type {{ token: string | null | undefined, error: MintError } | undefined} */
  let expired
  for (let tries = 1; ; tries++) {
    let token
    try {
      // In a microtask, because `getToken` may call `reset()`.
      token = await Promise.resolve()
        .then(() => options.getToken?.())
        .catch(failWith('token_unavailable'))
      // `fetch` refuses such a token as a header, in some browsers with an error that contains the token.
      if (token && /[^ -~]/.test(token.trim?.() ?? '\n')) failWith('token_unavailable')('no token')
      if (run.over?.signal.aborted || (expired && expired.token === token)) throw expired?.error
      return await ask(options, run, current, token)
    } catch (error) {
      if (run.over?.signal.aborted || !(error instanceof MintError)) throw error
      const { code, status, retryAfterMs } = error
      if (code === 'token_expired' && !expired) {
        expired = { token, error }
        continue
      }
      // 408 and 429 may be retried; every other 4xx is final.
      if (/^4(?!08|29)/.test(`${status}`)) {
        run.stopped = error
        // In a microtask, so that an error of the page's callback does not reach this call.
        queueMicrotask(() => {
          if (status === 401) options.onSignedOut?.(error)
          if (code === 'user_blocked') options.onRevoked?.(error)
        })
      }
      if (run.stopped || tries > 2) throw error
      const usual = 250 * 2 ** tries
      await new Promise((wake) => {
        run.timer = setTimeout(wake, (retryAfterMs ?? usual) + Math.random() * usual)
      })
    }
  }
}

/** @type {(options: MintOptions, run: Run, current: string | null, token?: string | null) => Promise<string>} */
const ask = async ({ url, workflow, input, fetch: send = fetch }, run, current, token) => {
  const request = new AbortController()
  run.request = request
  run.timer = setTimeout(() => request.abort(), 30_000)
  try {
    const response = await send(url.replace(/(\/v1\/sessions)?\/*$/, '/v1/sessions'), {
      method: 'POST',
      headers: {
        'Content-Type': 'application/json',
        ...(token && { Authorization: `Bearer ${token}` }),
      },
      body: JSON.stringify({ workflow, input, current_client_secret: current }),
      // Follows no redirect: its target would get token and secret. Cloudflare's servers do not know `error`.
      redirect: 'manual',
      signal: request.signal,
    }).catch(failWith('network_error'))
    const body = await response.json().catch(() => null)
    const { ok, status, headers } = response
    if (ok && typeof body?.client_secret === 'string') return body.client_secret
    const code = body?.code ?? (ok ? 'invalid_response' : `http_${status}`)
    const wait = `${headers.get('Retry-After')}`
    const ms = /^\d+$/.test(wait) ? +wait * 1000 : Date.parse(wait) - Date.now()
    const retryAfterMs = ms > 0 ? Math.min(ms, 120_000) : undefined
    const failure = { status, requestId: body?.request_id, retryAfterMs }
    throw new MintError(code, body?.detail ?? '', failure)
  } finally {
    clearTimeout(run.timer)
  }
}

/** @type {(promise: Promise<string>, signal: AbortSignal) => Promise<string>} */
const orAborted = (promise, signal) =>
  new Promise((resolve, reject) => {
    // Browsers of before 2022, jsdom and React Native give no reason.
    const abort = () => reject(signal.reason ?? new MintError('reset', 'Signed out.'))
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })

/** @type {(input: RequestInfo | URL) => string} */
const originOf = (input) => new URL(Object(input).url ?? input, globalThis.location?.href).origin
