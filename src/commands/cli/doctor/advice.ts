// Advice to operators about calls of the ChatKit API that failed in the doctor.

import type { ProxyFor } from '../../../lib/connections.ts'
import { ServiceError } from '../../../lib/errors.ts'
import { adviceOnConnection } from './connection-advice.ts'

/** A call of the ChatKit API, with its key, project and address, and the status of its answer. */
export interface CallContext {
  /** Environment variable with the API key. */
  readonly keyName: string
  /** Last characters of the key. */
  readonly keyHint: string
  readonly workflowId: string
  readonly project: string | undefined
  readonly baseUrl: string
  /** The variable or key of the config that holds the base URL. */
  readonly setting: string
  readonly proxyFor: ProxyFor
  /** HTTP status of the answer; undefined when none came. */
  readonly status: number | undefined
  readonly nowMs: number
}

/** From this day OpenAI runs no hosted workflows. */
const HOSTED_UNTIL = '2026-11-30'
/** Advice about that day. */
export const MOVE_ON = `OpenAI runs hosted workflows until ${HOSTED_UNTIL}: move to \`server:\`, see src/docs/move-to-self-hosted.md`

/** Advice to an operator about a call of the ChatKit API that failed. */
export function adviceOnApi(error: unknown, context: CallContext): string {
  const { keyName, keyHint, baseUrl, setting } = context
  const { code, refused } = error instanceof ServiceError ? error : {}
  const known = refused && adviceOnRefusal(refused, context)
  if (known !== undefined) return known
  switch (code) {
    case 'upstream_auth_failed':
      return adviceOnKey(context)
    case 'workflow_unavailable':
      return adviceOnWorkflow(context)
    case 'upstream_rejected':
      return `the API does not take what the config asks for: look at version, rate_limits and chatkit_configuration of this workflow${ifEnded(context)}`
    case 'upstream_rate_limited':
      return `the key ${keyHint} in ${keyName} is over its limit or out of credit: look at limits and billing of its project, then try again`
    case 'upstream_timeout':
      return `the API took the call and gave no whole answer in time: look at the API's status page and at proxies on the way to ${baseUrl}`
    case 'upstream_invalid_response':
      return `what answers is not the ChatKit API, or a filter on the way changes its answers: check ${setting} (${baseUrl})${byWayOf(context)}`
    default:
      return adviceOnConnection(error, { url: baseUrl, ...context })
  }
}

/** Advice for an error code of the API, and for an answer that does not come from the API. */
function adviceOnRefusal(
  { status, code }: NonNullable<ServiceError['refused']>,
  context: CallContext,
): string | undefined {
  const { keyName, keyHint, project, baseUrl, setting } = context
  if (status === 404 && !baseUrl.endsWith('/v1')) {
    return `check ${setting} (${baseUrl}): the API's own address ends in /v1, as in https://api.openai.com/v1`
  }
  const key = `the key ${keyHint} in ${keyName}`
  switch (code) {
    case undefined:
      return `${status} with a page that is none of the API's: a filter on the way refuses the call${byWayOf(context)}; have ${new URL(baseUrl).host} allowed there, and check ${setting} (${baseUrl})`
    case 'incorrect_hostname':
      return `the project of ${key} has its data in a region with an address of its own: set base_url of this workflow, as in https://eu.api.openai.com/v1`
    case 'missing_scope':
      return `${key} lacks a permission: give it permission to write ChatKit sessions, or use a key with all of them`
    case 'mismatched_project':
      if (project === undefined) return undefined
      return `${key} is of another project than OPENAI_PROJECT_ID (${project}): leave that out, or use a key of that project`
    case 'mismatched_organization':
      return `${key} is of another organization than OPENAI_ORG_ID: leave that out, or use a key of that organization`
    case 'unsupported_country_region_territory':
      return `OpenAI does not serve the country from which the call came${byWayOf(context)}: run the service, or the proxy that it calls through, in one that it serves`
    default:
      return undefined
  }
}

function byWayOf({ baseUrl, proxyFor }: CallContext): string {
  const proxy = proxyFor(new URL(baseUrl))
  return proxy === undefined ? '' : `, by way of the proxy ${proxy.origin}`
}

function adviceOnKey(context: CallContext): string {
  const { keyName, keyHint, project, status } = context
  const key = `the key ${keyHint} in ${keyName}`
  if (status === 403) {
    return `${key} may not do this: give it permission to write ChatKit sessions, or use a key of a project that has it${ifEnded(context)}`
  }
  const named = project === undefined ? '' : `, or is not of OPENAI_PROJECT_ID (${project})`
  return `${key} is not accepted${named}: make a new one, and see that no ${keyName} of a shell wins over the one you mean`
}

function adviceOnWorkflow(context: CallContext): string {
  const { keyName, keyHint, workflowId } = context
  return `the project of the key ${keyHint} in ${keyName} has no workflow ${workflowId}: the usual cause is a key of another project than the workflow's, or the id of one that was deleted${ifEnded(context)}`
}

function ifEnded({ nowMs }: CallContext): string {
  return nowMs >= Date.parse(HOSTED_UNTIL) ? `; or the workflow has ended: ${MOVE_ON}` : ''
}
