// Says what is wrong with a body that does not fit its schema: plainly to the caller, precisely in the log.

import type { z } from 'zod'
import { issueIn, ServiceError } from '../lib/errors.ts'
import { show, showAll } from '../lib/show.ts'

/** The fields that the call knows. */
type Known = ReadonlyMap<string, unknown>

/** `invalid_request` for the first issue. */
export function bodyProblem(error: z.ZodError, body: unknown, known: Known): ServiceError {
  const issue = issueIn(error)
  const detail = describeIssue(issue)
  const reason = `body: ${detail} ${whatIsWrong(issue, body, known)}`
  return new ServiceError('invalid_request', { reason, detail })
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const field = issue.path.map(String).join('.')
  if (issue.code === 'unrecognized_keys')
    return 'The body has a field that this call does not know.'
  if (isOfNoForm(issue)) return 'The body is of none of the forms this call takes.'
  if (field === '') return 'The body must be a JSON object.'
  return `The field "${field.slice(0, 64)}" of the body is not what this call expects.`
}

/** The body as a whole has several forms, as that of `POST /v1/admin/revoke`; a union further in is a field. */
function isOfNoForm({ code, path }: z.core.$ZodIssue): boolean {
  return code === 'invalid_union' && path.length === 0
}

/** For the log: names and types that were received and expected, never a value. */
function whatIsWrong(issue: z.core.$ZodIssue, body: unknown, known: Known): string {
  const path = issue.path.map(String)
  const unknown = issue.code === 'unrecognized_keys'
  if (!unknown && !isOfNoForm(issue)) {
    return [...(path.length > 0 ? [show(path.join('.'))] : []), issue.message].join(': ')
  }
  const names = unknown ? issue.keys : Object.keys(Object(body))
  const received = showAll(names.map((name) => [...path, name].join('.')))
  const expected = path.length > 0 ? '' : `, expected ${showAll([...known.keys()])}`
  return `Received ${received}${expected}`
}
