// Turns a checked config file into settings: camel case, compiled expressions, no duplicates.

import { parseWorkflowName } from '../../lib/ids.ts'
import { ADMIN, STATE_VARIABLE, USER, WHEN } from '../expressions/checks.ts'
import type { Compile } from '../expressions/expressions.ts'
import type {
  AdminSettings,
  GatewaySettings,
  InputDeclaration,
  IssuerSettings,
  KeySource,
  LimitSettings,
  Settings,
  WorkflowSettings,
} from '../settings.ts'
import { baseUrl } from '../urls.ts'
import { sourceName } from './checked-text.ts'
import { concreteIssuers, inTenant } from './issuer-names.ts'
import type { ConfigFile } from './schema.ts'
import { normaliseTokenType } from './schema-issuer.ts'
import { DEFAULT_MAX_LENGTH } from './schema-workflow.ts'

const MEBIBYTE = 1024 * 1024

type IssuerEntry = ConfigFile['issuers'][number]
type WorkflowEntry = ConfigFile['workflows'][string]

/**
 * The settings of a config file.
 *
 * @param file - without problems
 */
export function buildSettings(file: ConfigFile, compile: Compile): Settings {
  return {
    issuers: file.issuers.flatMap((entry) => buildIssuers(entry, file.user, compile)),
    workflows: Object.entries(file.workflows).map(([name, entry]) =>
      buildWorkflow(name, entry, compile),
    ),
    admins: buildAdmins(file, compile),
    console: file.console && {
      issuer: file.console.issuer,
      clientId: file.console.client_id,
      clientSecretEnv: file.console.client_secret_env,
      sessionMinutes: file.console.session_minutes,
      idleMinutes: file.console.idle_minutes,
    },
    corsOrigins: unique(file.cors.origins),
    trustedProxies: file.trusted_proxies,
    clientIpHeader: file.client_ip_header?.toLowerCase(),
    limits: buildLimits(file.limits),
    introspectionClients: (file.introspection?.clients ?? []).map(
      ({ id, secret_sha256, workflows }) => ({
        id,
        secretSha256: secret_sha256.slice('sha256:'.length),
        workflows,
      }),
    ),
    apiKeys: file.api_keys.map(({ id, sha256, workflows }) => ({
      id,
      sha256: [sha256].flat().map((digest) => digest.slice('sha256:'.length)),
      workflows: workflows && unique(workflows),
    })),
    gateway: buildGateway(file.gateway),
    retention: {
      // A session is kept as long as one of its answers may run, because a revoke finds the answer by its session.
      sessionsHours: Math.max(
        file.retention.sessions_hours,
        Math.ceil(file.gateway.stream_minutes / 60),
      ),
      auditDays: file.retention.audit_days,
      usersDays: file.retention.users_days,
    },
  }
}

function buildGateway(file: ConfigFile['gateway']): GatewaySettings {
  return {
    maxBodyBytes: file.max_body_mb * MEBIBYTE,
    maxFrameBytes: file.max_frame_mb * MEBIBYTE,
    maxAnswerBytes: file.max_answer_mb * MEBIBYTE,
    memoryBytes: file.memory_mb * MEBIBYTE,
    userMemoryBytes: (file.memory_mb * MEBIBYTE) / 4,
    bodyMs: file.body_seconds * 1000,
    idleMs: file.idle_seconds * 1000,
    answerMs: file.answer_seconds * 1000,
    streamMs: file.stream_minutes * 60_000,
    streamsPerUser: file.streams_per_user,
    allowUnknownTypes: file.allow_unknown_types,
  }
}

/** One issuer, or one for each tenant of the entry. */
function buildIssuers(
  entry: IssuerEntry,
  sharedUser: string | undefined,
  compile: Compile,
): IssuerSettings[] {
  const rules = buildIssuerRules(entry, sharedUser, compile)
  return concreteIssuers(entry).map((concrete) => ({
    ...rules,
    ...concrete,
    keys: buildKeySource(entry, concrete.tenant),
  }))
}

function buildIssuerRules(
  entry: IssuerEntry,
  sharedUser: string | undefined,
  compile: Compile,
): Omit<IssuerSettings, 'issuer' | 'tenant' | 'keys'> {
  return {
    audience: unique(entry.audience ?? []),
    audienceClaim: entry.audience_claim,
    audienceWhenAbsent: entry.audience_when_absent,
    algorithms: unique(entry.algorithms),
    insecureHttp: entry.insecure_http,
    sharedSecretEnv: (entry.jwks_uri ?? entry.jwks) ? entry.secret_env : undefined,
    tokenTypes: unique(entry.token_types.map(normaliseTokenType)),
    requiredClaims: unique(['exp', 'sub', ...entry.required_claims]),
    clockToleranceSeconds: entry.clock_tolerance_seconds,
    maxTokenAgeSeconds: entry.max_token_age_seconds,
    staleKeysSeconds: entry.stale_keys_seconds,
    cookie: entry.cookie,
    tokenHeader: entry.token_header?.toLowerCase(),
    sessionsEndWithToken: entry.sessions_end_with_token,
    user: compile(entry.user ?? sharedUser ?? '', USER),
    logout: entry.logout && {
      clientIds: unique(entry.logout.client_ids),
      algorithms: unique(entry.logout.algorithms ?? entry.algorithms),
    },
  }
}

function buildKeySource(
  { jwks_uri, jwks, secret_env }: IssuerEntry,
  tenant: string | undefined,
): KeySource {
  if (jwks_uri !== undefined) {
    const url = tenant === undefined ? jwks_uri : inTenant(jwks_uri, tenant)
    return { kind: 'jwks_uri', url }
  }
  if (jwks !== undefined) return { kind: 'jwks', jwks }
  if (secret_env !== undefined) return { kind: 'secret', secretEnv: secret_env }
  return { kind: 'discovery' }
}

function buildWorkflow(key: string, entry: WorkflowEntry, compile: Compile): WorkflowSettings {
  const name = parseWorkflowName(key)
  // The checks of the file refuse any other key.
  if (name === undefined) throw new TypeError(`${key} names no workflow`)
  const variables = Object.entries(entry.state_variables)
  const workflow = {
    name,
    answersTo: unique(entry.answers_to),
    when: entry.when === undefined ? undefined : compile(entry.when, WHEN),
    stateVariables: new Map(
      variables.map(([key, source]) => [key, compile(source, STATE_VARIABLE)]),
    ),
    input: new Map(
      Object.entries(entry.input).map(([field, declared]) => [field, buildInput(declared)]),
    ),
    expiresAfterSeconds: entry.expires_after?.seconds,
    maxRequestsPerMinute: entry.rate_limits?.max_requests_per_1_minute,
  }
  const { server } = entry
  if (server !== undefined) {
    return {
      kind: 'self-hosted',
      ...workflow,
      server,
      threadsAt: sourceName(entry.threads_at ?? server),
      adoptThreads: entry.adopt_threads,
      uploadUrl: entry.upload_url,
      forwardHeaders: entry.forward_headers,
      exposeHeaders: entry.expose_headers,
    }
  }
  return {
    kind: 'hosted',
    ...workflow,
    // The checks of the file refuse a workflow without `id` and `server`.
    id: entry.id ?? '',
    version: entry.version,
    fallback: entry.fallback,
    apiKeyEnv: entry.api_key_env,
    baseUrl: entry.base_url && baseUrl.parse(entry.base_url),
    tracing: entry.tracing,
    chatkitConfiguration: entry.chatkit_configuration,
  }
}

function buildInput(declared: WorkflowEntry['input'][string]): InputDeclaration {
  return {
    type: declared.type,
    maxLength: declared.max_length ?? DEFAULT_MAX_LENGTH,
    required: declared.required,
  }
}

function buildAdmins(file: ConfigFile, compile: Compile): AdminSettings | undefined {
  if (file.admins === undefined) return undefined
  return {
    when: compile(file.admins.when, ADMIN),
    // Without a list there is only one issuer: the checks require the list when there are several.
    issuers: unique(
      file.admins.issuers ?? file.issuers.flatMap(concreteIssuers).map(({ issuer }) => issuer),
    ),
    origins: unique(file.admins.origins),
  }
}

function buildLimits(limits: ConfigFile['limits']): LimitSettings {
  return {
    mintsPerUser: limits.mints_per_user,
    liveSessionsPerUser: {
      max: limits.live_sessions_per_user.max,
      whenFull: limits.live_sessions_per_user.when_full,
    },
    failedAuthPerIp: limits.failed_auth_per_ip,
    readsPerUser: limits.reads_per_user,
  }
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)]
}
