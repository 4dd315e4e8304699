// Lists the sources of threads that the config's workflows have: one project at OpenAI for each API
// key, and one server for each self-hosted workflow.

import type { ChatKit } from '../chatkit/port.ts'
import type { WorkflowSettings } from '../config/settings.ts'

/** All hosted workflows with one API key share a source; a self-hosted workflow is a source alone. */
export interface ThreadSource {
  /** Name of its first workflow in the config, for cursors and logs. */
  readonly name: string
  /** Names of all its workflows. */
  readonly workflows: readonly string[]
  readonly chatkit: ChatKit
  readonly selfHosted: boolean
}

/**
 * @param workflows - in the config file's order, which the sources keep
 * @param adapterOf - the adapter of a workflow
 */
export function threadSources(
  workflows: readonly Pick<WorkflowSettings, 'name' | 'server' | 'apiKeyEnv'>[],
  adapterOf: (workflow: string) => ChatKit,
): readonly ThreadSource[] {
  const groups = Map.groupBy(workflows, ({ name, server, apiKeyEnv }) =>
    server === undefined ? `key ${apiKeyEnv}` : `server of ${name}`,
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { name, server } = first
    const names = group.map((workflow) => workflow.name)
    const selfHosted = server !== undefined
    return { name, workflows: names, chatkit: adapterOf(name), selfHosted }
  })
}
