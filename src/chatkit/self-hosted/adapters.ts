import type { Dispatcher } from 'undici'
import type { Clock } from '../../lib/clock.ts'
import type { ChatKit } from '../port.ts'
import type { SigningKeys } from '../signing/signing-keys.ts'
import { createSelfHosted } from './adapter.ts'
import { type AttachmentOwners, createDeleteAttachment } from './attachments.ts'
import { createServerThreads, type ThreadOwners } from './threads.ts'

/** What {@link createSelfHostedAdapters} needs. */
export interface SelfHostedAdaptersOptions {
  readonly workflows: readonly { readonly name: string; readonly server: string }[]
  readonly keys: SigningKeys
  /** `PUBLIC_URL`. */
  readonly issuer: string
  /** Connections to the servers. */
  readonly dispatcher: Dispatcher
  readonly registry: ThreadOwners & AttachmentOwners
  readonly now: Clock
}

/**
 * The adapter of each self-hosted workflow, by its name.
 *
 * @param options - workflows, keys, the way to their servers
 */
export function createSelfHostedAdapters(
  options: SelfHostedAdaptersOptions,
): ReadonlyMap<string, ChatKit> {
  const adapters = new Map<string, ChatKit>()
  for (const { name: workflow, server } of options.workflows) {
    const threads = createServerThreads({ ...options, workflow, server })
    const deleteAttachment = createDeleteAttachment({ ...options, workflow, server })
    const adapter = createSelfHosted({ ...options, workflow, threads })
    adapters.set(workflow, { ...adapter, deleteAttachment })
  }
  return adapters
}
