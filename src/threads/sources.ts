// Lists the sources of threads that the config's workflows have: one project at OpenAI for each API
// key, and one server for each self-hosted workflow.

import type { ChatKit } from '../chatkit/port.ts'
import type { HostedWorkflow, SelfHostedWorkflow } from '../config/settings.ts'
import type { WorkflowName } from '../lib/ids.ts'

/** All hosted workflows with one API key share a source; a self-hosted workflow is a source alone. */
export interface ThreadSource {
  /** Name of its first workflow in the config, for cursors and logs. */
  readonly name: WorkflowName
  /** Names of all its workflows. */
  readonly workflows: readonly WorkflowName[]
  readonly chatkit: ChatKit
  readonly selfHosted: boolean
}

/**
 * @param workflows - in the config file's order, which the sources keep
 * @param adapterOf - the adapter of a workflow
 */
export function threadSources(
  workflows: readonly (
    | Pick<HostedWorkflow, 'kind' | 'name' | 'apiKeyEnv'>
    | Pick<SelfHostedWorkflow, 'kind' | 'name'>
  )[],
  adapterOf: (workflow: WorkflowName) => ChatKit,
): readonly ThreadSource[] {
  const groups = Map.groupBy(workflows, (workflow) =>
    workflow.kind === 'hosted' ? `key ${workflow.apiKeyEnv}` : `server of ${workflow.name}`,
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { kind, name } = first
    const names = group.map((workflow) => workflow.name)
    const selfHosted = kind === 'self-hosted'
    return { name, workflows: names, chatkit: adapterOf(name), selfHosted }
  })
}
