// Runs the steps "authenticate" and "map" on a token, and reports the refusal or the session.

import type { Principal } from '../../../authenticate/claims.ts'
import { explainToken, type TokenExplanation } from '../../../authenticate/explain-token.ts'
import type { Issuers } from '../../../authenticate/issuers.ts'
import type { CreateSessionParams } from '../../../chatkit/wire/session.ts'
import type { Settings, WorkflowSettings } from '../../../config/settings.ts'
import type { Clock } from '../../../lib/clock.ts'
import { ServiceError } from '../../../lib/errors.ts'
import { reasonOf, show } from '../../../lib/show.ts'
import { type AskedSession, chooseWorkflow, presentInput } from '../../../map/choose-workflow.ts'
import { whyNoAdmin, whyRefused } from '../../../map/evaluate.ts'
import { mapSession, type StateVariables } from '../../../map/map.ts'
import { mapUser } from '../../../map/map-user.ts'
import { createParams, sessionSeconds } from '../../../map/session-params.ts'
import { CODES } from '../../../respond/codes.ts'
import { lookAt } from './look.ts'

/** The service's judgement of a token, and the session that it maps to. */
export type JwtReport = Awaited<ReturnType<typeof reportOnToken>>

/** The rules, the keys, and the client's request. */
interface ReportOptions {
  readonly settings: Settings
  readonly issuers: Issuers
  readonly asked: AskedSession
  readonly offline: boolean
  readonly now: Clock
}

/**
 * Authenticates and maps a token, and mints nothing. For an expired token, which is refused, the report still
 * shows the mapping.
 *
 * @param token - as it was given
 */
export async function reportOnToken(token: string, options: ReportOptions) {
  const found = await explainToken(token, options)
  const { principal } = found
  const mapped = principal === undefined ? NOTHING : mapToken(principal, options)
  const refusal = found.refusal ?? mapped.refusal
  const { hint, claims } = lookAt(token)
  const { admins } = options.settings
  const noAdmin = principal && admins && whyNoAdmin(principal, admins)
  return {
    /** Whether token and rules allow a mint. Blocks, logouts and limits are not checked. */
    accepted: refusal === undefined,
    /** Status that `POST /v1/sessions` would answer. */
    status: refusal === undefined ? 200 : CODES[refusal.code].status,
    code: refusal?.code ?? null,
    /** The check that refuses, in the words of the service's log. */
    reason: refusal === undefined ? null : reasonOf(refusal),
    /** A guess what the text is, when it is no signed JWT. */
    hint: hint ?? null,
    /** Code and reason with which even a fresh token with these claims would be refused. */
    also: found.refusal && mapped.refusal ? alsoRefuses(mapped.refusal) : null,
    /** `claims`: all readable ones, verified or not, each value as JSON, cut to 200 characters. */
    token: { ...describeToken(found), claims },
    /** The ChatKit user. */
    user: mapped.user ?? null,
    /** All workflows, in the config file's order. */
    workflows: principal === undefined ? [] : verdicts(principal, options),
    /** Name of the workflow that a session would be for. */
    workflow: mapped.workflow ?? null,
    state_variables: mapped.stateVariables ?? null,
    /** The parameters of the create that would be sent. */
    session: mapped.session ?? null,
    admin: principal !== undefined && admins !== undefined && noAdmin === undefined,
    /** Why the rule for admins refuses; null when it does not, or there is none. */
    admin_reason: noAdmin ?? null,
  }
}

function alsoRefuses(refusal: ServiceError): string | null {
  return refusal.code === 'token_expired' ? null : `${refusal.code}: ${reasonOf(refusal)}`
}

function describeToken({ header, issuer, signature, principal }: TokenExplanation) {
  return {
    issuer: issuer?.issuer ?? null,
    alg: header?.alg ?? null,
    kid: header?.kid ?? null,
    typ: header?.typ ?? null,
    signature,
    subject: principal?.subject ?? null,
    issued_at: principal?.issuedAt ?? null,
    expires_at: principal?.expiresAt ?? null,
  }
}

interface Mapped {
  readonly user?: string
  readonly workflow?: string
  readonly stateVariables?: StateVariables | undefined
  readonly session?: CreateSessionParams
  readonly refusal?: ServiceError
}

const NOTHING: Mapped = {}

/** Maps as far as possible, in the order in which a request is judged. */
function mapToken(principal: Principal, { settings, asked, now }: ReportOptions): Mapped {
  const issuer = settings.issuers.find((one) => one.issuer === principal.issuer)
  let mapped: Mapped = NOTHING
  try {
    if (issuer === undefined) return mapped
    const user = mapUser(issuer.user, principal)
    mapped = { user }
    const session = mapSession(settings.workflows, { principal, user, asked })
    mapped = { user, workflow: session.workflow.name, stateVariables: session.stateVariables }
    const seconds = sessionSeconds({
      configured: session.workflow.expiresAfterSeconds,
      sessionsEndWithToken: issuer.sessionsEndWithToken,
      tokenExpiresAt: principal.expiresAt,
      now,
    })
    return { ...mapped, session: createParams(session, seconds) }
  } catch (error) {
    if (error instanceof ServiceError) return { ...mapped, refusal: error }
    throw error
  }
}

/** The `when` expression with the claims that it uses; null when there is none. */
function ruleOf({ when }: WorkflowSettings, { claims }: Principal): string | null {
  if (when === undefined) return null
  const read = when.source.matchAll(/\bclaims(?:\.(\w+)|\["([^"\]]+)"\])/g)
  const names = new Set(Array.from(read, ([, plain, quoted]) => plain ?? quoted ?? ''))
  const values = Array.from(names, (name) => `${name} ${shown(claims, name)}`)
  return [`when: ${when.source}`, ...values].join('; ')
}

/** The claim as JSON, cut to 200 characters, with credentials blacked out. */
function shown(claims: Principal['claims'], name: string): string {
  if (!Object.hasOwn(claims, name)) return 'is missing'
  return `is ${show(JSON.stringify(claims[name])).slice(1, -1)}`
}

/**
 * Whether the caller may use each workflow. `reason`: why it is not allowed, or why its mint would fail; `rule`: the
 * `when` that refuses.
 */
function verdicts(principal: Principal, options: ReportOptions) {
  const { workflows } = options.settings
  const { input = {} } = options.asked
  return workflows.map((workflow) => {
    const { name } = workflow
    try {
      chooseWorkflow(workflows, principal, { workflow: name, input })
      return { name, allowed: true, reason: null, rule: null }
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error
      const { code, reason } = error
      if (code !== 'workflow_not_allowed') return { name, allowed: true, reason, rule: null }
      const why = whyRefused(workflow.when, { ...principal, input: presentInput(input) })
      return { name, allowed: false, reason: why ?? reason, rule: ruleOf(workflow, principal) }
    }
  })
}
