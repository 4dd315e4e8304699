// Builds the gateway between ChatKit in the browser and self-hosted ChatKit servers.

import type { Handler } from 'hono'
import type { Dispatcher } from 'undici'
import { createServerIdentity } from '../chatkit/signing/server-token.ts'
import type { SigningKeys } from '../chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow, Settings } from '../config/settings.ts'
import type { AppEnv } from '../http/context.ts'
import type { FailedAuth } from '../http/failed-auth.ts'
import type { Clock } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { MemoryBudget } from '../lib/shares/memory-budget.ts'
import type { Registry } from '../registry/port.ts'
import { createAnswerEvents } from './event-answer.ts'
import { createTakeDownload } from './files/downloads.ts'
import { createFileLinks } from './files/file-links.ts'
import { createAnswerAttachment } from './files/new-attachment.ts'
import { createOpenLink } from './files/open-link.ts'
import { createUploads } from './files/uploads.ts'
import { createForward } from './forward.ts'
import { createAnswerJson } from './json-answer.ts'
import { createOpenCall, createVerifyToken } from './open-call.ts'
import { createOpenStreams } from './open-streams.ts'
import { createOwnership } from './ownership.ts'
import { createHandleRequest, createTakeMessage } from './request.ts'
import { createShares } from './shares.ts'

/** Silence after which the gateway sends a comment, in milliseconds. */
const HEARTBEAT_MS = 15_000
/** For how long streams go on when the process begins to stop, in milliseconds; 2 s later connections are cut. */
const DRAIN_MS = 15_000

/**
 * @param parts - `selfHosted`: `PUBLIC_URL`, keys, and the dispatcher of connections to the servers (each open
 * stream needs a connection, so their number limits the streams); `times.draining`: aborted when the process
 * begins to stop
 * @returns the handler of `POST`, and (with a signed link) of `GET` and `PUT`, on `/chatkit/:workflow`
 */
export function createGateway({
  settings,
  selfHosted: { publicUrl, keys, dispatcher, memory },
  registry,
  hashUser,
  failedAuth,
  now,
  log,
  times: { draining, drainMs = DRAIN_MS, heartbeatMs = HEARTBEAT_MS },
}: {
  readonly settings: Pick<Settings, 'workflows' | 'gateway'> & {
    readonly limits: Pick<Settings['limits'], 'readsPerUser'>
  }
  readonly selfHosted: {
    readonly publicUrl: string
    readonly keys: SigningKeys
    readonly dispatcher: Dispatcher
    readonly memory: MemoryBudget
  }
  readonly registry: Pick<
    Registry,
    | ('consume' | 'useSession' | 'endedAmong' | 'getSession' | 'readStanding')
    | ('claimOwnership' | 'ownersOf' | 'listOwned' | 'releaseOwnership')
  >
  readonly hashUser: (user: string) => string | undefined
  readonly failedAuth: Pick<FailedAuth, 'counted'>
  readonly now: Clock
  readonly log: Log
  readonly times: {
    readonly draining: AbortSignal
    readonly drainMs?: number | undefined
    readonly heartbeatMs?: number | undefined
  }
}): Handler<AppEnv> {
  const { allowUnknownTypes, answerMs, idleMs, maxAnswerBytes, maxFrameBytes } = settings.gateway
  const { bodyMs, maxBodyBytes, streamMs, streamsPerUser } = settings.gateway
  const workflows = new Map<string, SelfHostedWorkflow>()
  for (const workflow of settings.workflows) {
    if (workflow.kind === 'self-hosted') workflows.set(workflow.name, workflow)
  }
  const limits = { heartbeatMs, idleMs, totalMs: streamMs }
  const bodyLimits = { maxBytes: maxBodyBytes, milliseconds: bodyMs }
  const shares = createShares({ memory, streamsPerUser })
  const ownership = createOwnership({ registry, now, log })
  const streams = createOpenStreams({ registry, draining, drainMs, log })
  const identity = createServerIdentity({ keys, publicUrl, now })
  const forward = createForward({ dispatcher, identity, now })
  const linksFor = createFileLinks({ publicUrl, keys, now })
  const answerAttachment = createAnswerAttachment({ ownership, linksFor })
  const verify = createVerifyToken({ workflows, publicUrl, keys, hashUser, failedAuth, now })
  return createHandleRequest({
    openCall: createOpenCall({ verify, registry, now }),
    openLink: createOpenLink({
      verify,
      registry,
      ownership,
      now,
      limit: settings.limits.readsPerUser,
      followLink: shares.followLink,
    }),
    takeDownload: createTakeDownload({ forward, limits: { ...limits, headMs: answerMs } }),
    uploads: createUploads({
      ownership,
      forward,
      answerAttachment,
      bodyLimits,
      answerMs,
      shares,
      streams,
    }),
    takeMessage: createTakeMessage({
      allowUnknownTypes,
      bodyLimits,
      headMs: { events: idleMs, json: answerMs },
      ownership,
      streams,
      shares,
      forward,
      answers: {
        json: createAnswerJson({
          ownership,
          shares,
          forward,
          answerAttachment,
          linksFor,
          maxAnswerBytes,
        }),
        events: createAnswerEvents({
          ownership,
          linksFor,
          shares,
          streams,
          limits,
          maxFrameBytes,
          log,
        }),
      },
    }),
  })
}
