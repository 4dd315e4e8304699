// The table of the log's fields. A log line with any other field does not compile, and the page about the log
// is made from this table.

export const LINE_FIELDS = {
  level: '10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.',
  time: 'Unix time in milliseconds.',
  msg: 'The kind of line. Each request has one line with `request`, and each entry of the audit, except mints, one with `audit`.',
} as const

/** Fields of `upstream` in a request's line. */
export const UPSTREAM_FIELDS = {
  operation: 'Call of the ChatKit API, such as `create_session`.',
  status: 'HTTP status of the last attempt; absent when no answer came.',
  request_id: '`x-request-id` of the last answer, to quote to OpenAI.',
  attempts: 'How often the request was sent; 0 when it was never sent.',
  ms: 'Milliseconds of all attempts together.',
} as const

/** Fields by kind of line. A field of several kinds is listed only once, with the first of them. */
export const LOG_FIELDS = {
  request: {
    request_id: 'Id of the request, as `X-Request-Id` and `request_id` of the answer have it.',
    method: 'HTTP method.',
    route: 'Pattern of the route, such as `/v1/threads/:id`; never the path itself.',
    status: 'HTTP status of the answer.',
    code: 'Error code of the answer ([errors](errors.md)).',
    reason: 'The precise reason of a refusal, for operators; never part of the answer.',
    help: 'Command that helps to find the cause of the refusal.',
    user: 'The ChatKit user as a hash of 16 hex digits: the same in every line, on every instance. `sessions list` and the console name users.',
    workflow: 'Name of the workflow.',
    session: 'Id of the ChatKit session, `cksess_…`.',
    upstream: 'The call of OpenAI, or of your ChatKit server: see below.',
    ms: 'Milliseconds from the request head to the answer.',
    err: 'An unexpected error, or the error that a line of another kind is about: `type`, `message`, `code`, `stack`, and its `cause` with the same fields.',
  },
  audit: {
    action: 'What was done: `revoke`, `admin_read` and others.',
    outcome: '`ok`, `refused` or `failed`.',
    actor: 'Who did it, as a hash like `user`.',
  },
  start: {
    version: 'Version of the service.',
    node: 'Version of Node.',
    config: 'Path of the config file.',
    store: 'Kind of the store, for SQLite with its path. Never a password.',
    chatkit_api: '`OPENAI_BASE_URL`.',
    base_urls: '`base_url` of the workflows that have one, by name.',
    organization: '`OPENAI_ORG_ID`.',
    project: '`OPENAI_PROJECT_ID`.',
    api_keys: 'The last 4 characters of each API key, by its variable.',
    issuers: 'All issuers of the config.',
    workflows: 'Names of workflows.',
    public_url: '`PUBLIC_URL`.',
    proxies: 'Proxies for outgoing calls, without passwords.',
    variables: 'Names of the variables that came from `.env`.',
    overridden: 'Names in `.env` for which the environment has another value, which wins.',
    url: 'Address of a listener (`listening`, `metrics`).',
    host: 'Address that the metrics could not listen on.',
    port: 'Port that the metrics could not listen on.',
    signal: 'The signal that began the shutdown (`draining`).',
    share_mb: 'What one user may hold of `gateway.memory_mb`, in megabytes.',
    larger: 'Bounds of the gateway that are larger than that.',
    bytes: 'Size of a SQLite file that is too large to be checked whole.',
  },
  overload: {
    refused: 'Mints that were refused since the last such line.',
    last_request_id: '`request_id` of the last of them.',
    under_way: 'Mints under way.',
    limit: 'Most mints that may be under way.',
    loop_lag_ms: 'How late the event loop is, in milliseconds.',
    turned_away: 'Connections that were closed at once since the last such line.',
    most: 'Most connections that may be open.',
  },
  issuers: {
    issuer: 'The issuer whose keys or secret the line is about.',
    keys: 'Why keys of its set are not used, one text for each.',
    kids: 'Ids of the keys that verify now.',
    failures: 'Fetches that failed in a row.',
    next_fetch_seconds: 'Seconds until the next fetch may begin.',
    secret_env: 'Variable whose secret is shorter than RFC 7518 requires.',
    algorithms: 'The algorithms for which it is too short.',
  },
  store: {
    address: 'Address of Redis, without password.',
    cause: 'Message of Redis, or of the exporter of traces, at most 200 characters.',
    policy: '`maxmemory-policy` of Redis.',
    clock_seconds:
      'Seconds by which the clock of Redis is ahead of ours; below 0 when it is behind.',
    unknown: 'Settings that Redis does not report.',
    sessions: 'How many sessions were cancelled upstream without a record of it in the store.',
    streams: 'Open streams whose sessions the store could not check.',
    source:
      'Name or address of a self-hosted server with an ownership record that was not removed.',
    what: '`thread` or `item` of another user that an upstream returned, or `missing` for one that it could not return.',
    count: 'How many of them.',
  },
} as const

type Groups = typeof LOG_FIELDS

/** Fields of one line, in addition to those of every line. */
export type LogFields = {
  readonly [field in { [group in keyof Groups]: keyof Groups[group] }[keyof Groups]]?: unknown
}
