// `sessions create|cancel|list`.

import { Command, Option } from 'commander'
import { pageOf } from '../../chatkit/wire/wire.ts'
import type { SessionId } from '../../lib/ids.ts'
import {
  type PageSeen,
  printObject,
  printSessions,
  type ServiceSession,
  serviceSession,
} from './answers.ts'
import { type ListFlags, listOptions, sessionId, someText, user } from './arguments.ts'
import { CommandError, EXIT } from './exit.ts'
import type { Io } from './io.ts'
import { jsonOption, printJson, remark } from './output.ts'
import { createSession } from './sessions-create.ts'
import { expectAnswer } from './target/service-client.ts'
import {
  serviceOf,
  type TargetFlags,
  targetKind,
  targetOptions,
  withTarget,
} from './target/target.ts'

/** `sessions create|cancel|list` */
export function sessionsCommand(io: Io): Command {
  return new Command('sessions')
    .alias('beta:chatkit:sessions')
    .description('ChatKit sessions')
    .addCommand(createSession(io))
    .addCommand(cancelSession(io))
    .addCommand(listSessions(io))
}

type Flags = TargetFlags & { readonly json?: boolean }

function cancelSession(io: Io): Command {
  const command = new Command('cancel')
    .description('Cancel a session: its client secret stops working')
    .addOption(
      new Option('--session-id <id>', 'of the session').argParser(sessionId).makeOptionMandatory(),
    )
    .addOption(jsonOption())
  return targetOptions(command).action(async (flags: Flags & { sessionId: SessionId }) => {
    const { sessionId, json = false } = flags
    await withTarget(io, flags, async (target) => {
      if (target.kind === 'hosted') {
        const ended = await target.chatkit.cancelSession(sessionId, { signal: io.signal })
        if (ended === null) throw noSuchSession()
        const answer = { ...ended, client_secret: ended.client_secret?.reveal() }
        return await printObject(io, answer, json)
      }
      const path = `/v1/admin/sessions/${sessionId}/cancel`
      const session = expectAnswer(serviceSession, await target.service.call(`POST ${path}`))
      await printObject(io, session, json)
      if (session.status === 'cancelling') remark(io, UNCONFIRMED)
    })
  })
}

const UNCONFIRMED = 'OpenAI has not confirmed it yet; the service goes on trying by itself.'

function noSuchSession(): CommandError {
  return new CommandError(
    EXIT.failed,
    'the ChatKit API knows no such session for this key.\ncode: not_found',
  )
}

interface ListSessionFlags extends Flags, ListFlags {
  readonly user?: string
  readonly workflow?: string
  readonly status?: string
  readonly issuer?: string
  readonly subject?: string
}

const STATUSES = ['active', 'expired', 'replaced', 'cancelling', 'cancelled']

function listSessions(io: Io): Command {
  const command = new Command('list')
    .description('List sessions that this service minted (the ChatKit API has no such call)')
    .addOption(new Option('--user <user>', 'of this ChatKit user').argParser(user))
    .addOption(new Option('--workflow <name>', 'of this workflow').argParser(someText))
    .addOption(new Option('--status <status>', 'in this state').choices(STATUSES))
    .addOption(new Option('--issuer <url>', "of this issuer's users").argParser(someText))
    .addOption(new Option('--subject <sub>', 'of this subject').argParser(someText))
  for (const option of listOptions('sessions')) command.addOption(option)
  command.addOption(jsonOption())
  return targetOptions(command).action(async (flags: ListSessionFlags) => {
    if (targetKind(io, flags) === 'hosted') throw cannotListHosted()
    const { user, workflow, status, issuer, subject, limit, order, after, before } = flags
    const query = { user, workflow, status, issuer, subject, limit, order, after, before }
    const service = await serviceOf(io, flags)
    const page: PageSeen<ServiceSession> = expectAnswer(
      pageOf(serviceSession),
      await service.call('GET /v1/admin/sessions', { query }),
    )
    await (flags.json ? printJson(io, page) : printSessions(io, page))
  })
}

function cannotListHosted(): CommandError {
  return new CommandError(
    EXIT.usage,
    'the ChatKit API has no call that lists sessions. This service has those it minted on its\n' +
      'books: give its address with --url or CHATKIT_MINT_URL, and an admin token with --token-file\n' +
      'or CHATKIT_MINT_TOKEN.',
  )
}
