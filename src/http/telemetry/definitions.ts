// Defines the metrics of the service: name, help and labels of each, and its meaning for an operator. metrics.ts
// registers them, and the page about metrics is made from them.

/** Meaning of each label. No label holds a user, and none can grow without bound. */
export const LABELS = {
  method: 'HTTP method; `other` for those that the service does not serve.',
  route: 'Pattern of the route, as `/v1/threads/:id`; never the path itself.',
  status: 'HTTP status; for upstream calls the last one, and `none` where no answer came.',
  code: 'Error code of the answer ([errors](errors.md)); `ok` when there was none.',
  operation: 'Call of the ChatKit API, as `create_session` or `list_threads`.',
  source: '`hosted` or `self_hosted`.',
  what: '`thread` or `item`.',
  issuer: 'As in `issuers[].issuer` of the config.',
  key: 'Name of the environment variable with the API key.',
  breaker: 'Lane of the calls: `mint`, `threads` or `cancel`.',
  version: 'Version of the service, as `0.2.0`.',
} as const

type Label = keyof typeof LABELS

/** A metric in prom-client's own form. */
interface Definition<L extends Label> {
  readonly name: `chatkit_mint_${string}`
  readonly help: string
  readonly labelNames?: readonly L[]
}

/** Keeps the label names in the type, so that a wrong label does not compile. */
function define<const L extends Label = never>(definition: Definition<L>): Definition<L> {
  return definition
}

export const DEFINITIONS = {
  requests: define({
    name: 'chatkit_mint_requests_total',
    help: 'Answers by route, status and error code (code "ok" when there was none).',
    labelNames: ['method', 'route', 'status', 'code'],
  }),
  latency: define({
    name: 'chatkit_mint_request_seconds',
    help: 'Time from the request head to the answer, by route.',
    labelNames: ['route'],
  }),
  upstream: define({
    name: 'chatkit_mint_upstream_seconds',
    help: 'Time of calls of the ChatKit API, all attempts together, by operation and last status.',
    labelNames: ['operation', 'status'],
  }),
  foreign: define({
    name: 'chatkit_mint_foreign_threads_total',
    help: "Threads (or items) in an upstream's lists that belonged to another user (or thread) than asked for.",
    labelNames: ['source', 'what'],
  }),
  missing: define({
    name: 'chatkit_mint_missing_threads_total',
    help: 'Threads left out of a list because a self-hosted server could not show them.',
  }),
  turnedAway: define({
    name: 'chatkit_mint_connections_turned_away_total',
    help: 'Connections that were closed at once, because there were too many.',
  }),
  activeSessions: define({
    name: 'chatkit_mint_active_sessions',
    help: 'Sessions that are active and not expired. Approximate while cancels are not confirmed.',
  }),
  outboxLength: define({
    name: 'chatkit_mint_outbox_length',
    help: 'Cancels that the ChatKit API has not confirmed yet.',
  }),
  mintsUnderWay: define({
    name: 'chatkit_mint_mints_under_way',
    help: 'Mints that have begun and have no answer yet.',
  }),
  keySetAge: define({
    name: 'chatkit_mint_key_set_age_seconds',
    help: "Time since an issuer's keys were last fetched; absent while there are none.",
    labelNames: ['issuer'],
  }),
  breakerOpen: define({
    name: 'chatkit_mint_breaker_open',
    help: '1 while all calls of a lane of the ChatKit API are refused without being sent, or one of them is sent as a probe; 0 again when none has come for a minute.',
    labelNames: ['key', 'breaker'],
  }),
  buildInfo: define({
    name: 'chatkit_mint_build_info',
    help: 'Always 1; the label has the version.',
    labelNames: ['version'],
  }),
} as const

/** The meaning of each metric for an operator. */
export const TELLS: Readonly<Record<keyof typeof DEFINITIONS, string>> = {
  requests:
    'Its rate by `code` shows how many are refused, and why. Mints are `route="/v1/sessions"`, `method="POST"`; those of backends `route="/v1/chatkit/sessions"`.',
  latency:
    'Shows whether users wait. What is more than the upstream’s time is the time of the service itself.',
  upstream: 'Shows whether OpenAI, or your own server, is slow or fails.',
  foreign:
    'More than 0 is a fault of the upstream: it showed one user a thread or item of another. The service dropped it; look into it at once.',
  missing: 'More than 0: the server has lost threads, or fails for some of them.',
  turnedAway: 'More than 0: a flood, or a limit on open files that is too low.',
  activeSessions: 'The chats that can go on now. Read from the store, so equal on every instance.',
  outboxLength:
    'More than 0 for minutes: revokes do not reach OpenAI. Read from the store, so equal on every instance.',
  mintsUnderWay: 'Shows the load of this instance.',
  keySetAge:
    'More than an hour: the identity provider’s keys cannot be fetched, and the known ones are still used.',
  breakerOpen:
    '1: the upstream fails so often that calls are not sent, except for a probe every 2 seconds.',
  buildInfo: 'Shows which instances an upgrade has reached.',
}
