import type { Path, Report } from './problems.ts'
import { asMapping, asText, type RawMapping } from './raw-data.ts'

/** Keys that only mean something at OpenAI. */
const HOSTED_ONLY = ['version', 'api_key_env', 'tracing', 'chatkit_configuration', 'fallback']

/** Keys that only mean something to a server of one's own. */
const OWN_ONLY = ['adopt_threads', 'upload_url']

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
  const own = workflow['server'] !== undefined
  if (!hosted && !own) {
    report([...path, 'id'], 'is missing; add it (a workflow at OpenAI), or `server` (your own)')
  }
  if (hosted && own) report([...path, 'server'], 'stands beside id; keep one of the two')
  if (hosted || !own) {
    for (const key of OWN_ONLY.filter((only) => workflow[only] !== undefined)) {
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
