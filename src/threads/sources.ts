// Lists the sources of threads: one for each API key and base URL at OpenAI, and one for each `threads_at` of
// self-hosted workflows.

import type { ChatKit } from '../chatkit/port.ts'
import { isStorable } from '../chatkit/protocol/request.ts'
import type { HostedWorkflow, SelfHostedWorkflow } from '../config/settings.ts'
import { parseThreadId, type ThreadId, type WorkflowName } from '../lib/ids.ts'

/** Hosted workflows with one adapter share a source, and so do self-hosted ones with one `threads_at`. */
export interface ThreadSource {
  /** Name of its first workflow in the config, for cursors and logs. */
  readonly name: WorkflowName
  /** Names of all its workflows. */
  readonly workflows: readonly WorkflowName[]
  readonly chatkit: ChatKit
  /** Name under which the registry keeps its owners; undefined for a hosted one. */
  readonly threadsAt: string | undefined
  /** Called when the upstream shows something of another user or thread, or cannot show a thread. */
  readonly onForeign: (foreign: Foreign) => void
}

/** Entries in an upstream's answer that are of another user or thread; or `missing`: a thread that it could not show. */
export interface Foreign {
  readonly source: Pick<ThreadSource, 'name' | 'threadsAt'>
  readonly what: 'thread' | 'item' | 'missing'
  /** Number of them in one answer. */
  readonly count: number
}

type WorkflowWithThreads =
  | Pick<HostedWorkflow, 'kind' | 'name'>
  | Pick<SelfHostedWorkflow, 'kind' | 'name' | 'threadsAt'>

/** @param workflows - in the config file's order, which the sources keep */
export function threadSources(
  workflows: readonly WorkflowWithThreads[],
  adapterOf: (workflow: WorkflowName) => ChatKit,
  onForeign: ThreadSource['onForeign'],
): readonly ThreadSource[] {
  const groups = Map.groupBy(workflows, (workflow) =>
    workflow.kind === 'hosted' ? adapterOf(workflow.name) : workflow.threadsAt,
  )
  return [...groups.values()].flatMap((group) => {
    const [first] = group
    if (first === undefined) return []
    const { name } = first
    const workflows = group.map((workflow) => workflow.name)
    const threadsAt = first.kind === 'self-hosted' ? first.threadsAt : undefined
    return { name, workflows, chatkit: adapterOf(name), threadsAt, onForeign }
  })
}

/**
 * @param id - of a thread of the source, or said to be one
 * @returns undefined when the source cannot be asked for it
 */
export function threadIdAt(
  { threadsAt }: Pick<ThreadSource, 'threadsAt'>,
  id: string,
): ThreadId | undefined {
  if (threadsAt === undefined) return parseThreadId(id)
  return isStorable({ id }) ? (id as ThreadId) : undefined
}

/**
 * The moves of old ownership records, which named a workflow, to the source that they name now. A workflow that has
 * been renamed since is found if its `threads_at` is its old name.
 */
export function ownersMoves(workflows: readonly WorkflowWithThreads[]) {
  const own = workflows.filter((workflow) => workflow.kind === 'self-hosted')
  const byName = own.map(({ name, threadsAt }) => ({ workflow: String(name), source: threadsAt }))
  return [...byName, ...own.map(({ threadsAt }) => ({ workflow: threadsAt, source: threadsAt }))]
}
