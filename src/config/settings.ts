// The types of all settings: the config file once it has been checked.

import type { WorkflowName } from '../lib/ids.ts'
import type { ChatKitConfiguration } from './file/schema-workflow.ts'

/** Values that an expression can use. */
export interface Scope {
  /** The verified token's claims. */
  readonly claims: Readonly<Record<string, unknown>>
  /** The verified token's `iss`. */
  readonly issuer: string
  /** Values that the client sent and the workflow declares; none outside workflows. */
  readonly input?: Readonly<Record<string, InputValue>>
}

/** A value that a client may send in `input`. */
export type InputValue = string | number | boolean

/** A CEL expression of the config file, parsed and type-checked at start-up. */
export interface Expression {
  /** As the file has it. */
  readonly source: string
  /** The claims that it uses besides `iss`: none, `sub` alone, or others too. */
  readonly claims: 'none' | 'subject' | 'others'
  /**
   * Its result can have any type, so the caller checks that.
   *
   * @throws any error of CEL, for example when a claim is missing
   */
  evaluate(scope: Scope): unknown
}

/** Source of an issuer's verification keys. */
export type KeySource =
  | { readonly kind: 'discovery' }
  | { readonly kind: 'jwks_uri'; readonly url: string }
  | { readonly kind: 'jwks'; readonly jwks: { readonly keys: readonly Record<string, unknown>[] } }
  | { readonly kind: 'secret'; readonly secretEnv: string }

/** Most tenants that one entry of `issuers` names; each is an issuer of its own. */
export const MOST_TENANTS = 100

/** One issuer whose tokens are accepted. */
export interface IssuerSettings {
  /** Compared with `iss` byte for byte. */
  readonly issuer: string
  /** Entra ID's tenant, which must be the token's `tid`. */
  readonly tenant: string | undefined
  /** Empty when `audienceClaim` is `none`. */
  readonly audience: readonly string[]
  /** `none`: tokens of this issuer name no audience, and every token counts. */
  readonly audienceClaim: 'aud' | 'client_id' | 'azp' | 'none'
  /** The treatment of a token with none of `aud`, `azp` and `client_id`. */
  readonly audienceWhenAbsent: 'refuse' | 'accept'
  /** JOSE `alg` names. */
  readonly algorithms: readonly string[]
  readonly keys: KeySource
  /** Whether its addresses may be plain http beyond loopback. */
  readonly insecureHttp: boolean
  /** Environment variable with the secret of HS* tokens, for an issuer that also has a key set. */
  readonly sharedSecretEnv: string | undefined
  /** Lower case, without `application/`; `none` stands for a token without `typ`. */
  readonly tokenTypes: readonly string[]
  readonly requiredClaims: readonly string[]
  readonly clockToleranceSeconds: number
  readonly maxTokenAgeSeconds: number | undefined
  readonly staleKeysSeconds: number
  /** The cookie that may carry the token. */
  readonly cookie: string | undefined
  /** The header in which a proxy puts the token; lower case. */
  readonly tokenHeader: string | undefined
  readonly sessionsEndWithToken: boolean
  /** The effective expression: the issuer's own, else the top-level one. */
  readonly user: Expression
  /** Back-channel logout, when accepted from this issuer. */
  readonly logout:
    | { readonly clientIds: readonly string[]; readonly algorithms: readonly string[] }
    | undefined
}

/** One declared `input` field. */
export interface InputDeclaration {
  readonly type: 'string' | 'number' | 'boolean'
  /** For strings, in UTF-16 units. */
  readonly maxLength: number
  readonly required: boolean
}

/** Settings that both kinds of workflow have. */
interface AnyWorkflow {
  /** The name clients use. */
  readonly name: WorkflowName
  /** Further ids by which backends may ask for it. */
  readonly answersTo: readonly string[]
  /** Rule for the users who may use it; everyone may when absent. */
  readonly when: Expression | undefined
  readonly stateVariables: ReadonlyMap<string, Expression>
  readonly input: ReadonlyMap<string, InputDeclaration>
  /** 1..600; 600 when absent. */
  readonly expiresAfterSeconds: number | undefined
  /** Requests of one session; 10 when absent. */
  readonly maxRequestsPerMinute: number | undefined
}

/** A workflow that OpenAI runs. */
export interface HostedWorkflow extends AnyWorkflow {
  readonly kind: 'hosted'
  /** `wf_…` */
  readonly id: string
  /** A deployed version; the current one when absent. */
  readonly version: string | undefined
  /** Name of the workflow to use when OpenAI says that this one is gone. */
  readonly fallback: string | undefined
  /** Environment variable with the API key. */
  readonly apiKeyEnv: string
  /** Instead of `OPENAI_BASE_URL`; without a trailing slash. */
  readonly baseUrl: string | undefined
  readonly tracing: { readonly enabled: boolean }
  /** ChatKit's runtime features in the API's own spelling, sent unchanged. */
  readonly chatkitConfiguration: ChatKitConfiguration | undefined
}

/** A workflow that runs on the operator's own ChatKit server, behind the gateway. */
export interface SelfHostedWorkflow extends AnyWorkflow {
  readonly kind: 'self-hosted'
  /** The server's URL. */
  readonly server: string
  /**
   * Name under which the registry keeps who owns the server's threads; workflows with one name share
   * their users' threads.
   */
  readonly threadsAt: string
  /** Whether a thread that nobody owns yet becomes that of the first user who asks for it. */
  readonly adoptThreads: boolean
  /** URL for direct uploads; `server` when undefined. */
  readonly uploadUrl: string | undefined
  /** Names, in lower case, of the page's request headers that the server gets. */
  readonly forwardHeaders: readonly string[]
  /** Names, in lower case, of the server's response headers that the page gets. */
  readonly exposeHeaders: readonly string[]
}

/** A workflow for which clients can get a session. */
export type WorkflowSettings = HostedWorkflow | SelfHostedWorkflow

export interface AdminSettings {
  readonly when: Expression
  /** Issuers of tokens that can be an admin's. */
  readonly issuers: readonly string[]
  /** Browser origins besides PUBLIC_URL's. */
  readonly origins: readonly string[]
}

/** How admins sign in to the console. */
export interface ConsoleSettings {
  /** One of the issuers whose tokens can be an admin's. */
  readonly issuer: string
  readonly clientId: string
  /** Environment variable with the client's secret. */
  readonly clientSecretEnv: string
  /** Life of a sign-in, whether it is used or not. */
  readonly sessionMinutes: number
  readonly idleMinutes: number
}

/** At most `max` in a window of `seconds`. */
export interface RateLimit {
  readonly max: number
  readonly seconds: number
}

/** Limits per user and per address. */
export interface LimitSettings {
  readonly mintsPerUser: RateLimit
  readonly liveSessionsPerUser: { readonly max: number; readonly whenFull: 'evict_oldest' | 'deny' }
  readonly failedAuthPerIp: RateLimit
  /** A user's own calls about threads, and links to files that they follow. */
  readonly readsPerUser: RateLimit
}

/** An API key by which a backend calls the ChatKit API of this service. */
export interface ApiKeySettings {
  /** The name of the key in audit and logs, as `key:<id>`. */
  readonly id: string
  /** Hex SHA-256 of the key; two while the key is being rotated. */
  readonly sha256: readonly string[]
  /** Names of the workflows that it may use; all when undefined. */
  readonly workflows: readonly string[] | undefined
}

/** Bounds of the gateway in front of self-hosted ChatKit servers. */
export interface GatewaySettings {
  readonly maxBodyBytes: number
  /** Largest event of a stream. */
  readonly maxFrameBytes: number
  /** Largest answer, unless it is a stream. */
  readonly maxAnswerBytes: number
  /** For all bodies, events and answers that are being read. */
  readonly memoryBytes: number
  /** The same, for one user. */
  readonly userMemoryBytes: number
  /** Time in which a body must have arrived. */
  readonly bodyMs: number
  /** Silence of a server after which a stream ends. */
  readonly idleMs: number
  /** Longest time until an answer is complete, unless it is a stream. */
  readonly answerMs: number
  /** The longest stream. */
  readonly streamMs: number
  /** Streams that one user may have at a time. */
  readonly streamsPerUser: number
  /** Whether request types that this version does not know are forwarded. */
  readonly allowUnknownTypes: boolean
}

/** A client that may introspect with HTTP Basic. */
export interface IntrospectionClient {
  readonly id: string
  /** Hex. */
  readonly secretSha256: string
  /** Names of the workflows whose secrets it may check; undefined for all. */
  readonly workflows: readonly string[] | undefined
}

/** The config file, checked and with its defaults filled in. Holds no secret, only names of secrets. */
export interface Settings {
  readonly issuers: readonly IssuerSettings[]
  /** In the file's order: the first whose `when` holds is the default. */
  readonly workflows: readonly WorkflowSettings[]
  readonly admins: AdminSettings | undefined
  readonly console: ConsoleSettings | undefined
  /** Exact origins, or origins with one `*` in the first label, which stands for `[a-z0-9-]+`. */
  readonly corsOrigins: readonly string[]
  /** CIDRs. */
  readonly trustedProxies: readonly string[]
  /** Lower case. */
  readonly clientIpHeader: string | undefined
  readonly limits: LimitSettings
  readonly introspectionClients: readonly IntrospectionClient[]
  /** The keys of backends; none when empty. */
  readonly apiKeys: readonly ApiKeySettings[]
  readonly gateway: GatewaySettings
  readonly retention: {
    readonly sessionsHours: number
    readonly auditDays: number
    readonly usersDays: number
  }
}
