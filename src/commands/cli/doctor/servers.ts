// Checks the server of each self-hosted workflow by asking it for a list of threads.

import { serverThreadPage } from '../../../chatkit/protocol/thread.ts'
import { createAskServer } from '../../../chatkit/self-hosted/ask.ts'
import { openSigningKeys, type SigningKeys } from '../../../chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow } from '../../../config/settings.ts'
import { ServiceError, UnusableSettingError } from '../../../lib/errors.ts'
import { reasonOf } from '../../../lib/show.ts'
import type { Registry } from '../../../registry/port.ts'
import { adviceOnConnection, type CalledAddress } from './connection-advice.ts'
import { type Finding, note, ok, wrong } from './finding.ts'
import type { WorkflowChecks } from './workflows.ts'

/** {@link WorkflowChecks}, and the parts that only servers need. */
interface ServerChecks extends WorkflowChecks {
  /** May keep the signing keys. */
  readonly registry: Pick<Registry, 'keptKey'> | undefined
  /** Whether `user` is one who has no threads anywhere. */
  readonly nobody: boolean
}

/**
 * Asks the server of each self-hosted workflow for a list of threads, as the service would: with a token that it signs.
 *
 * @param checks - the workflows, and the user to ask as
 */
export async function checkServers(checks: ServerChecks): Promise<Finding[]> {
  const selfHosted = checks.workflows.filter((workflow) => workflow.kind === 'self-hosted')
  if (selfHosted.length === 0) return []
  const keys = await openKeys(checks)
  if ('check' in keys) return [keys]
  return Promise.all(selfHosted.map((workflow) => checkServer(keys, workflow, checks)))
}

async function openKeys({ environment, registry }: ServerChecks): Promise<SigningKeys | Finding> {
  const check = 'signing keys'
  try {
    return await openSigningKeys(environment.signingKeys?.(), async (make) => {
      if (registry === undefined) throw new UnusableSettingError('they are kept in the store')
      return registry.keptKey('signing-keys', make)
    })
  } catch (error) {
    return wrong(
      check,
      reasonOf(error),
      'self-hosted workflows were not looked at: correct this first; `npx chatkit-mint keys generate` makes a new file for SIGNING_KEY_FILE',
    )
  }
}

async function checkServer(
  keys: SigningKeys,
  workflow: SelfHostedWorkflow,
  checks: ServerChecks,
): Promise<Finding> {
  const { name, server } = workflow
  const check = `workflow ${name}`
  const { dispatcher, now, user, signal, environment } = checks
  const askServer = createAskServer({
    workflow,
    keys,
    publicUrl: environment.publicUrl ?? '',
    dispatcher,
    now,
  })
  let status: number | undefined
  const call = {
    signal,
    observe: (seen: { status: number | undefined }) => {
      status = seen.status
    },
  }
  try {
    const question = { type: 'threads.list', params: { limit: 1 } } as const
    const { data } = await askServer('list_threads', call, (ask) =>
      ask(user, question, serverThreadPage),
    )
    return data.length > 0 && checks.nobody
      ? showsAll(check, server)
      : ok(check, `${server} answers`)
  } catch (error) {
    signal.throwIfAborted()
    const signsAlone = environment.signingKeys === undefined && environment.store.kind === 'memory'
    if (signsAlone && (status === 401 || status === 403)) return refusesOwnKey(check, server)
    const message = `${server} does not answer as a ChatKit server: ${reasonOf(error)}`
    const { proxyFor } = environment.proxies
    const target = { url: server, setting: `workflows.${name}.server`, status, proxyFor }
    return wrong(check, message, adviceOnServer(error, target))
  }
}

/** The note for a server that shows every thread to every user, as the usual samples do. */
function showsAll(check: string, server: string): Finding {
  return note(
    check,
    `${server} answers, and shows threads to a user who has none`,
    'it does not tell users apart: only the gateway does. Let nobody else reach it, and let it verify the token, see src/docs/move-to-self-hosted.md',
  )
}

/** The note for a server that verifies tokens, where the service keeps its key in a memory that no command sees. */
function refusesOwnKey(check: string, server: string): Finding {
  return note(
    check,
    `${server} answers, and refuses a token that this command signs with a key of its own`,
    'with STORE_URL=memory: the signing key is only in the running service; name a file in SIGNING_KEY_FILE to check more',
  )
}

function adviceOnServer(error: unknown, target: CalledAddress): string {
  const { url, setting, status } = target
  if (status === 401 || status === 403) {
    return `it refuses the token: it must expect this service's PUBLIC_URL as issuer and "${url}" as audience, and reach PUBLIC_URL/.well-known/jwks.json, where the running service must have the same signing keys as this command (SIGNING_KEY_FILE or STORE_URL)`
  }
  switch (error instanceof ServiceError ? error.code : undefined) {
    case 'not_found':
      return `check the path in ${setting}: the server runs and has nothing there, perhaps but for a slash at its end`
    case 'upstream_rejected':
    case 'upstream_invalid_response':
      return `check ${setting}: what answers there does not speak the ChatKit protocol`
    case 'upstream_rate_limited':
      return 'the server has too much to do: try again later'
    case 'upstream_timeout':
      return 'the server took the call and gave no whole answer in time: look at its log'
    default:
      return adviceOnConnection(error, target)
  }
}
