import { createHash } from 'node:crypto'
import OpenAI from 'openai'
import { ADMINS } from '../../support/admin-calls.ts'
import { startSampleServer } from '../../support/chatkit/sample-server.ts'
import { officialClient } from '../../support/chatkit/sdk.ts'
import { PUBLIC_URL } from '../../support/chatkit/self-hosted.ts'
import {
  DEFAULT_CONFIG,
  HIGH_LIMITS,
  type RunningOptions,
  startService,
} from '../../support/running-service.ts'

/** May use every workflow. */
export const BILLING = 'sk-mint-billing-0123456789abcdef'
/** Replaces {@link BILLING}; both are valid during the change. */
export const BILLING_NEXT = 'sk-mint-billing-next-0123456789abcdef'
/** May use `helpdesk` alone. */
export const DESK = 'sk-mint-desk-0123456789abcdef'
/** May use `support` alone. */
export const HOSTED = 'sk-mint-hosted-0123456789abcdef'
/** Every option of a create but those of the workflow. */
export const OPTIONS = {
  chatkit_configuration: {
    automatic_thread_titling: { enabled: false },
    file_upload: { enabled: true, max_file_size: 20, max_files: 3 },
    history: { enabled: true, recent_threads: 5 },
  },
  expires_after: { anchor: 'created_at', seconds: 120 },
  rate_limits: { max_requests_per_1_minute: 30 },
} as const

/** A key that was not made by `keys generate`. */
export const SPACED = 'My API Key'

const hash = (key: string) => `'sha256:${createHash('sha256').update(key).digest('hex')}'`

/** Part of a config: one key that may use every workflow. */
export const ONE_KEY = `api_keys:
  - { id: billing, sha256: [${hash(BILLING)}, ${hash(BILLING_NEXT)}] }
`
const KEYS = `${ONE_KEY}  - { id: desk, sha256: ${hash(DESK)}, workflows: [helpdesk] }
  - { id: hosted, sha256: ${hash(HOSTED)}, workflows: [support] }
  - { id: spaced, sha256: ${hash(SPACED)} }
`

function configOf(server: string, limits: string): string {
  const workflows = `workflows:
  support:
    id: wf_support
    version: '3'
    tracing: { enabled: true }
    chatkit_configuration: { file_upload: { enabled: true, max_files: 3 } }
    state_variables: { plan: '"ours"' }
    when: 'false'
  helpdesk:
    server: ${server}
    answers_to: [wf_old_desk]
    rate_limits: { max_requests_per_1_minute: 30 }
    expires_after: { seconds: 300 }
`
  const config = DEFAULT_CONFIG.replace(/workflows:\n {2}support:\n {4}id: wf_support\n/, workflows)
  return `${config.replace(HIGH_LIMITS, limits)}\n${ADMINS}\n${KEYS}`
}

export interface BackendOptions extends Omit<RunningOptions, 'config'> {
  readonly limits?: string
}

/** The service with API keys, over an embedded ChatKit API and a self-hosted server. */
export async function startBackend({ limits = HIGH_LIMITS, env, ...options }: BackendOptions = {}) {
  const server = await startSampleServer({ wordMs: 1 })
  const running = await startService({
    ...options,
    config: configOf(server.url, limits),
    env: { PUBLIC_URL, ...env },
  })
  const base = `${running.url}/v1`
  return {
    running,
    server,
    base,
    /** The official client with an API key of this service. */
    client: (key = BILLING): OpenAI => officialClient(base, key),
    /** A call without the client. */
    call: (path: string, init: RequestInit & { readonly key?: string } = {}) =>
      fetch(base + path, {
        ...init,
        headers: {
          authorization: `Bearer ${init.key ?? BILLING}`,
          'content-type': 'application/json',
          ...init.headers,
        },
      }),
    async close() {
      await running.close()
      await server.close()
    },
  }
}

/** The error that a call of the official client ends with. */
export async function errorOf(
  call: Promise<unknown>,
): Promise<InstanceType<typeof OpenAI.APIError>> {
  try {
    await call
  } catch (error) {
    if (error instanceof OpenAI.APIError) return error
    throw error
  }
  throw new Error('the call succeeded')
}
