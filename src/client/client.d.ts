/**
 * What a page loads: ChatKit's `api.getClientSecret` for hosted workflows and its `api.fetch` for
 * self-hosted ones. ES2022 without dependency or build step. Secrets stay in memory. Every comment
 * stands on lines of its own, because `GET /client.js` leaves those lines out.
 */
export type MintOptions = {
    /**
     * The service, as `https://chat.example.com`; `''` for the page's own origin.
     */
    url: string;
    /**
     * Gives
     * the signed-in user's token; absent where the service reads a cookie.
     */
    getToken?: () => string | null | undefined | Promise<string | null | undefined>;
    /**
     * Its name in the service's config; the user's default when absent.
     */
    workflow?: string;
    /**
     * What the config lets a page
     * say.
     */
    input?: Readonly<Record<string, string | number | boolean>>;
    /**
     * The token is missing, expired or not accepted.
     */
    onSignedOut?: (error: MintError) => void;
    /**
     * An administrator took the access back.
     */
    onRevoked?: (error: MintError) => void;
    /**
     * Instead of the global one.
     */
    fetch?: typeof fetch;
};
export type Controls = {
    /**
     * For a sign-out: forgets everything, ends what is in flight with the code
     * `reset`, and begins anew after a stop.
     */
    reset: () => void;
    /**
     * Aborts at the next `reset()`.
     */
    signal: () => AbortSignal;
};
export type GetClientSecret = ((current?: string | null) => Promise<string>) & Controls;
export type ChatKitFetch = typeof fetch & Controls;
export type Run = {
    /**
     * aborts at the reset that ends this run
     */
    over: AbortController;
    request?: AbortController;
    timer?: ReturnType<typeof setTimeout>;
    /**
     * the one call that everybody waits for
     */
    flight?: Promise<string> | undefined;
    /**
     * rejects the flight
     */
    drop?: (error: MintError) => void;
    stopped?: MintError;
};
export type Mint = (options: MintOptions, run: Run, current: string | null) => Promise<string>;
export type Failure = {
    status?: number;
    requestId?: string | undefined;
    retryAfterMs?: number | undefined;
    cause?: unknown;
};
/** Why there is no client secret. Match on `code`. */
export declare class MintError extends Error {
    code: string;
    status: number | undefined;
    requestId: string | undefined;
    retryAfterMs: number | undefined;
    /**
     * @param {string} code - of the service's problem details, or `network_error`, `token_unavailable`
     * (`getToken` failed), `invalid_response`, `reset`
     * @param {string} message - for developers
     * @param {Failure} [failure] - `requestId` is what the service's log has
     */
    constructor(code: string, message: string, { status, requestId, retryAfterMs, cause }?: Failure);
}
/**
 * For `api.getClientSecret`. Everybody who calls the function while a call is in flight waits for that
 * one. It tries at most three times, with jitter, no earlier than `Retry-After` says, and two minutes
 * apart at most. After a 4xx that trying again cannot cure it asks no more until `reset()`.
 *
 * @example
 * const getClientSecret = createGetClientSecret({ url: 'https://chat.example.com', getToken })
 * chatkit.setOptions({ api: { getClientSecret } })
 *
 * @param {MintOptions} options
 * @returns {GetClientSecret} rejects with `MintError`
 */
export declare function createGetClientSecret(options: MintOptions): GetClientSecret;
/**
 * For `api.fetch` with a self-hosted workflow. Adds the client secret to each request to the service
 * and to no other, mints once for all of them, and mints again when the service answers 401. Then it
 * sends the request again, once, unless its body is a stream.
 *
 * @param {MintOptions & { getClientSecret?: GetClientSecret }} options - `getClientSecret` shares one
 * that exists; else one is made of the options
 * @returns {ChatKitFetch} rejects with `MintError` when there is no secret to be had
 */
export declare function createChatKitFetch(options: MintOptions & {
    getClientSecret?: GetClientSecret;
}): ChatKitFetch;
