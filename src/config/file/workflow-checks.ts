// Checks that the keys of a workflow fit together, and that names of workflows exist.

import { sourceName } from './checked-text.ts'
import { asList, asMapping, asText, type Path, type RawMapping, type Report } from './problems.ts'

/** Keys that only hosted workflows have. */
const HOSTED_ONLY = [
  'version',
  'api_key_env',
  'base_url',
  'tracing',
  'chatkit_configuration',
  'fallback',
]

/** Keys that only self-hosted workflows have. */
const SELF_HOSTED_ONLY = [
  'adopt_threads',
  'upload_url',
  'threads_at',
  'forward_headers',
  'expose_headers',
]

/**
 * Checks that a workflow has exactly one of `id` and `server`, and only keys of that kind. Also checks the
 * workflows that `fallback` and `introspection` clients name.
 */
export function reportWorkflowProblems(data: RawMapping, report: Report): void {
  const workflows = asMapping(data['workflows'])
  for (const [name, value] of Object.entries(workflows)) {
    const workflow = asMapping(value)
    const path = ['workflows', name]
    reportTarget(workflow, path, report)
    reportFallback(name, workflows, report)
    reportIdentifying(data, { workflow, path }, report)
  }
  reportAdopters(workflows, report)
  reportIntrospectors(data, workflows, report)
}

/** A client stands once, and names self-hosted workflows: only their client secrets can be introspected. */
function reportIntrospectors(data: RawMapping, workflows: RawMapping, report: Report): void {
  const { clients } = asMapping(data['introspection'])
  const ids = asList(clients).map((client) => asMapping(client)['id'])
  for (const [at, client] of asList(clients).entries()) {
    const { id, workflows: names } = asMapping(client)
    if (id !== undefined && ids.indexOf(id) < at) {
      report(['introspection', 'clients', at, 'id'], 'is there twice; name each client once')
    }
    for (const [nameAt, name] of asList(names).entries()) {
      const own = Object.entries(workflows).find(([known]) => known === name)
      if (asMapping(own?.[1])['server'] !== undefined) continue
      const path = ['introspection', 'clients', at, 'workflows', nameAt]
      report(path, 'names no workflow of this file that has `server`')
    }
  }
}

/** A thread whose owner is known to one workflow must not be adopted through another one on the same server. */
function reportAdopters(workflows: RawMapping, report: Report): void {
  const own = Object.entries(workflows).flatMap(([name, value]) => {
    const { server, threads_at: at, adopt_threads: adopts } = asMapping(value)
    const address = sourceName(asText(server) ?? '')
    return address === ''
      ? []
      : [{ name, address, source: sourceName(asText(at) ?? address), adopts }]
  })
  for (const { name, address, source } of own.filter(({ adopts }) => adopts === true)) {
    const other = own.find((one) => one.address === address && one.source !== source)
    if (other === undefined) continue
    const problem = `must equal that of ${other.name}, which has the same server, or adopt_threads must be false`
    report(['workflows', name, 'threads_at'], problem)
  }
}

/** A header with a token or a client's address must not reach a server, which might keep it. */
function reportIdentifying(
  data: RawMapping,
  { workflow, path }: { readonly workflow: RawMapping; readonly path: Path },
  report: Report,
): void {
  const ofIssuers = asList(data['issuers']).map((one) => asMapping(one)['token_header'])
  const headers = [data['client_ip_header'], ...ofIssuers]
  const taken = headers.flatMap((name) => asText(name)?.toLowerCase() ?? [])
  for (const [at, name] of asList(workflow['forward_headers']).entries()) {
    if (!taken.includes(asText(name)?.toLowerCase() ?? '')) continue
    report(
      [...path, 'forward_headers', at],
      'is the token_header or client_ip_header; leave it out',
    )
  }
}

function reportTarget(workflow: RawMapping, path: Path, report: Report): void {
  const hosted = workflow['id'] !== undefined
  const selfHosted = workflow['server'] !== undefined
  if (!hosted && !selfHosted) {
    const message =
      'is missing; add it (a ChatKit server of your own), or `id` (a workflow at OpenAI)'
    report([...path, 'server'], message)
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

/** A fallback has no fallback itself, so that nobody has to follow a chain to see which workflow a user gets. */
function reportFallback(name: string, workflows: RawMapping, report: Report): void {
  const fallback = asText(asMapping(workflows[name])['fallback'])
  if (fallback === undefined) return
  const path = ['workflows', name, 'fallback']
  const target = Object.hasOwn(workflows, fallback) ? asMapping(workflows[fallback]) : undefined
  if (target === undefined) report(path, 'names no workflow of this file')
  else if (fallback === name) report(path, 'names the workflow itself')
  else if (target['fallback'] !== undefined) {
    report(path, `leads to ${fallback}, which has a fallback itself; name the last one`)
  }
}
