import type { AppContext } from '../http/context.ts'
import { ServiceError } from '../lib/errors.ts'
import { admit, type Claims, type TokenUse } from './client-secret.ts'
import type { GatewayCall, GatewayDeps } from './gateway-options.ts'

/**
 * Verifies what a request brings and says in its trace who it is of.
 *
 * @param c - the request
 * @param deps - the gateway's
 * @param use - the token, and what it must be good for
 * @throws `not_found` when there is no such workflow here; what `admit` throws
 */
export async function admitted(
  c: AppContext,
  deps: GatewayDeps,
  { token, name, type }: Omit<TokenUse, 'workflow'> & { readonly token: string },
): Promise<{ readonly call: GatewayCall; readonly claims: Claims }> {
  const workflow = workflowOf(deps, name)
  const { claims, session } = await admit(token, { name, workflow, type }, deps)
  const { trace } = c.var
  trace.user = deps.hashUser(session.user)
  trace.workflow = name
  trace.session = session.id
  return { call: { ...deps, name, workflow, session }, claims }
}

/**
 * @param deps - the gateway's
 * @param name - from the path
 * @throws `not_found`: unknown names and hosted workflows look the same
 */
export function workflowOf({ workflows }: GatewayDeps, name: string) {
  const workflow = workflows.get(name)
  if (workflow !== undefined) return workflow
  throw new ServiceError('not_found', { reason: 'no self-hosted workflow of this name' })
}
