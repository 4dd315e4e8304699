import { loadConfig } from '../../src/config/file/load-config.ts'
import type { Expression, WorkflowSettings } from '../../src/config/settings.ts'
import { ServiceError } from '../../src/lib/errors.ts'

const HEAD = `issuers: [{ issuer: https://i.example, audience: [x], algorithms: [RS256] }]\n`

/** Workflows from YAML, as they stand under `workflows:`. */
export function workflowsOf(yaml: string): readonly WorkflowSettings[] {
  const text = `${HEAD}user: 'claims.sub'\nworkflows:\n${yaml}`
  return loadConfig(text, { file: 'c.yaml' }).settings.workflows
}

export function userOf(source: string): Expression {
  const text = `${HEAD}user: ${JSON.stringify(source)}\nworkflows: { a: { id: wf } }\n`
  const issuer = loadConfig(text, { file: 'c.yaml' }).settings.issuers[0]
  if (issuer === undefined) throw new Error('no issuer')
  return issuer.user
}

/** The verified claims of a caller. */
export function principalWith(claims: Record<string, unknown>): {
  issuer: string
  claims: Record<string, unknown>
} {
  return { issuer: 'https://i.example', claims }
}

/** Code and detail of the ServiceError that a function throws; fails when it throws none. */
export function refusal(act: () => unknown): { code: string; detail: string | undefined } {
  try {
    act()
  } catch (error) {
    if (error instanceof ServiceError) return { code: error.code, detail: error.detail }
    throw error
  }
  throw new Error('nothing was thrown')
}
