import type { ChatKit } from '../chatkit/port.ts'
import type { WorkflowSettings } from '../config/settings.ts'

/**
 * Where threads are: one API key's project at OpenAI, which all hosted workflows with that key share,
 * or one self-hosted workflow's server.
 */
export interface ThreadSource {
  /** Name of its first workflow in the config, for cursors and logs. */
  readonly name: string
  /** Names of all its workflows. */
  readonly workflows: readonly string[]
  readonly chatkit: ChatKit
  readonly selfHosted: boolean
}

/** What a source is told by. */
export type SourceWorkflow = Pick<WorkflowSettings, 'name' | 'server' | 'apiKeyEnv'>

/**
 * The sources of a config, in its order.
 *
 * @param workflows - in the config file's order
 * @param of - the adapter of a workflow
 */
export function threadSources(
  workflows: readonly SourceWorkflow[],
  of: (workflow: string) => ChatKit,
): readonly ThreadSource[] {
  const groups = Map.groupBy(workflows, ({ name, server, apiKeyEnv }) =>
    server === undefined ? `key ${apiKeyEnv}` : `server of ${name}`,
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const names = group.map(({ name }) => name)
    const selfHosted = first.server !== undefined
    return { name: first.name, workflows: names, chatkit: of(first.name), selfHosted }
  })
}
