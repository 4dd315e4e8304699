import type { WorkflowSettings } from '../config/settings.ts'
import { ServiceError } from '../lib/errors.ts'
import { whenRefusal } from './choose-workflow.ts'
import type { MappedPrincipal } from './map-user.ts'

/**
 * Refuses a workflow that is not the caller's to use, where nothing is minted and so no input is
 * asked for. An unknown name and a forbidden one get the same answer, so names cannot be probed.
 *
 * @param workflows - of the config
 * @param principal - whose token was verified
 * @param name - what the client asks for
 * @throws ServiceError `workflow_not_allowed`
 */
export function requireWorkflow(
  workflows: readonly WorkflowSettings[],
  { issuer, claims }: MappedPrincipal,
  name: string,
): void {
  const workflow = workflows.find((one) => one.name === name)
  const scope = { issuer, claims, input: {} }
  if (workflow !== undefined && whenRefusal(workflow.when, scope) === undefined) return
  throw new ServiceError('workflow_not_allowed', {
    reason: 'the caller may not use the workflow asked for',
  })
}
