// Checks the API keys of backends against each other and against the workflows. Also checks that each id by
// which backends may ask for a workflow leads to exactly one.

import { asList, asMapping, asText, type RawMapping, type Report } from './problems.ts'

export function reportBackendProblems(data: RawMapping, report: Report): void {
  const workflows = Object.entries(asMapping(data['workflows']))
  reportAnswersTo(workflows, report)
  const ids = new Set<unknown>()
  const digests = new Set<unknown>()
  for (const [at, value] of asList(data['api_keys']).entries()) {
    const { id, sha256, workflows: allowed } = asMapping(value)
    const path = ['api_keys', at]
    if (isRepeated(ids, id)) report([...path, 'id'], 'is there twice; name each key once')
    for (const digest of [sha256].flat()) {
      // A key with two ids would have the rights of the id that comes first.
      if (isRepeated(digests, digest))
        report([...path, 'sha256'], 'is the sha256 of another key, too; give each key its own')
    }
    for (const [place, name] of asList(allowed).entries()) {
      if (workflows.some(([known]) => known === name)) continue
      report([...path, 'workflows', place], 'names no workflow of this file')
    }
  }
}

function reportAnswersTo(workflows: readonly [string, unknown][], report: Report): void {
  const taken = new Map<unknown, string>()
  for (const [name, value] of workflows) {
    for (const [at, id] of asList(asMapping(value)['answers_to']).entries()) {
      const other = workflows.find(([known, it]) => known !== name && isCalled(id, known, it))
      const owner = other?.[0] ?? taken.get(id)
      taken.set(id, name)
      if (owner === undefined) continue
      const problem = `is a name, id or answers_to of ${owner} already; each id leads to one workflow`
      report(['workflows', name, 'answers_to', at], problem)
    }
  }
}

function isCalled(id: unknown, name: string, workflow: unknown): boolean {
  return id !== undefined && (id === name || id === asText(asMapping(workflow)['id']))
}

function isRepeated(seen: Set<unknown>, value: unknown): boolean {
  if (value === undefined || seen.has(value)) return value !== undefined
  seen.add(value)
  return false
}
