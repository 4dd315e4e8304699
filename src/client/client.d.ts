/** Makes ChatKit's `api.getClientSecret` for hosted workflows, and its `api.fetch` for self-hosted ones. ES2022,
 * no build step. Secrets stay in memory. Write comments on separate lines: `GET /client.js` removes those lines. */
export type MintOptions = {
    /**
     * The service, as `https://chat.example.com`; `''` for the page's own origin, `'/app'` for a path there.
     */
    url: string;
    /**
     * Gives the signed-in user's token; called before each mint. Absent when the service reads a cookie.
     */
    getToken?: () => string | null | undefined | Promise<string | null | undefined>;
    /**
     * Name of the workflow in the service's config; the user's default one when absent.
     */
    workflow?: string;
    /**
     * Values for the workflow's declared `input`.
     */
    input?: Readonly<Record<string, string | number | boolean>>;
    /**
     * Called on a 401: the token is missing, expired or not accepted. Once somebody has signed in again, call `reset()`.
     */
    onSignedOut?: (error: MintError) => void;
    /**
     * Called on `user_blocked`: an administrator has blocked the user.
     */
    onRevoked?: (error: MintError) => void;
    /**
     * Used instead of the global `fetch`. `(url, init) => fetch(url, { ...init, credentials: 'include' })` sends the cookie of a service on another origin.
     */
    fetch?: typeof fetch;
};
export type Controls = {
    /**
     * For a sign-out: forgets the secret, aborts calls in flight, and starts afresh.
     */
    reset: () => void;
    /**
     * Gives a signal that aborts at the next `reset()`.
     */
    signal: () => AbortSignal;
};
export type GetClientSecret = ((current?: string | null) => Promise<string>) & Controls;
export type ChatKitFetch = typeof fetch & Controls;
export type Run = {
    over?: AbortController;
    request?: AbortController;
    timer?: ReturnType<typeof setTimeout>;
    pending?: Promise<string> | undefined;
    stopped?: MintError;
};
export type Mint = (options: MintOptions, run: Run, current: string | null) => Promise<string>;
/** Why there is no client secret. Match on `code`. */
export declare class MintError extends Error {
    /** A code of the service, or one of the helper's own. */
    code: string;
    /** HTTP status of the answer; absent when none came. */
    status: number | undefined;
    /** `request_id` of the answer; the service's log has it, too. */
    requestId: string | undefined;
    /** Milliseconds to wait, as `Retry-After` of the answer says; at most two minutes. */
    retryAfterMs: number | undefined;
    /** @param {string} code - the service's, `no_url`, `network_error`, `token_unavailable`, `invalid_response`, `reset`
     * @param {string} message - for developers
     * @param {{ status?: number, requestId?: string | undefined, retryAfterMs?: number | undefined, cause?: unknown }} [failure] - `requestId` is what the service's log has */
    constructor(code: string, message: string, { status, requestId, retryAfterMs, cause }?: {
        status?: number;
        requestId?: string | undefined;
        retryAfterMs?: number | undefined;
        cause?: unknown;
    });
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
export declare function createGetClientSecret(options: MintOptions): GetClientSecret;
/**
 * For `api.fetch` with a self-hosted workflow. Adds the client secret to each request to the service and to no
 * other. All requests share one secret, which is renewed when 80 % of its life is over, and after a 401. After a
 * 401 the request is sent once more, unless its body is a stream.
 *
 * @param {MintOptions & { getClientSecret?: GetClientSecret }} options - `getClientSecret` replaces that of the options
 * @returns {ChatKitFetch} rejects with `MintError` when it gets no secret
 * @throws {MintError} `no_url`
 */
export declare function createChatKitFetch(options: MintOptions & {
    getClientSecret?: GetClientSecret;
}): ChatKitFetch;
