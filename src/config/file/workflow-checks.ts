// Checks that the keys of a workflow go together, and that a fallback leads somewhere.

import { asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'

/** Keys that only hosted workflows have. */
const HOSTED_ONLY = ['version', 'api_key_env', 'tracing', 'chatkit_configuration', 'fallback']

/** Keys that only self-hosted workflows have. */
const SELF_HOSTED_ONLY = ['adopt_threads', 'upload_url']

/**
 * What concerns several keys of a workflow, or several workflows: exactly one of `id` and `server`,
 * keys that go with one of them, and where a `fallback` leads.
 *
 * @param data - the whole file
 * @param report - called for each problem
 */
export function reportWorkflowProblems(data: RawMapping, report: Report): void {
  const workflows = asMapping(data['workflows'])
  for (const [name, value] of Object.entries(workflows)) {
    const workflow = asMapping(value)
    const path = ['workflows', name]
    reportTarget(workflow, path, report)
    reportFallback(name, { workflow, workflows }, report)
  }
}

function reportTarget(workflow: RawMapping, path: Path, report: Report): void {
  const hosted = workflow['id'] !== undefined
  const selfHosted = workflow['server'] !== undefined
  if (!hosted && !selfHosted) {
    report([...path, 'id'], 'is missing; add it (a workflow at OpenAI), or `server` (your own)')
  }
  if (hosted && selfHosted) report([...path, 'server'], 'stands beside id; keep one of the two')
  if (hosted || !selfHosted) {
    for (const key of SELF_HOSTED_ONLY.filter((only) => workflow[only] !== undefined)) {
      report([...path, key], 'is only for workflows with `server`; leave it out')
    }
    return
  }
  for (const key of HOSTED_ONLY.filter((only) => workflow[only] !== undefined)) {
    report([...path, key], 'is only for workflows with `id`; leave it out')
  }
}

interface FallbackContext {
  readonly workflow: RawMapping
  readonly workflows: RawMapping
}

/** One hop, so that nobody has to follow a chain to know where a user ends up. */
function reportFallback(
  name: string,
  { workflow, workflows }: FallbackContext,
  report: Report,
): void {
  const fallback = asText(workflow['fallback'])
  if (fallback === undefined) return
  const path = ['workflows', name, 'fallback']
  const target = Object.hasOwn(workflows, fallback) ? asMapping(workflows[fallback]) : undefined
  if (target === undefined) report(path, 'names no workflow of this file')
  else if (fallback === name) report(path, 'names the workflow itself')
  else if (target['fallback'] !== undefined) {
    report(path, `leads to ${fallback}, which has a fallback itself; name the last one`)
  }
}
