// `sessions create|cancel|list|retrieve`.

import { Command, Option } from 'commander'
import { z } from 'zod'
import type { SessionId } from '../../../lib/ids.ts'
import { SESSION_STATUSES } from '../../../respond/views.ts'
import { printList, printObject } from '../answers.ts'
import { examples, oneSubject, SESSION, someText, user, withSubject } from '../arguments.ts'
import { failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { remark, time } from '../output.ts'
import { type ListFlags, listOptions } from '../pages.ts'
import { expectAnswer, type ServiceClient } from '../target/service-client.ts'
import {
  serviceOf,
  type TargetFlags,
  targetKind,
  targetOf,
  targetOptions,
} from '../target/target.ts'
import { createSession } from './create.ts'

/** `sessions create|cancel|list|retrieve` */
export function sessionsCommand(io: Io): Command {
  return new Command('sessions')
    .alias('beta:chatkit:sessions')
    .description('Create, cancel, list and retrieve ChatKit sessions')
    .addCommand(createSession(io))
    .addCommand(cancelSession(io))
    .addCommand(listSessions(io))
    .addCommand(retrieveSession(io))
}

/** The fields of the service's `session` that a table shows. */
const serviceSession = z.looseObject({
  id: z.string(),
  user: z.string(),
  workflow: z.string(),
  status: z.string(),
  created_at: z.number(),
  expires_at: z.number(),
})

type OneFlags = TargetFlags & { readonly sessionId?: SessionId }

function cancelSession(io: Io): Command {
  const command = withSubject(new Command('cancel'), SESSION)
    .description('Cancel a session: its client secret stops working')
    .addHelpText('after', examples('sessions cancel cksess_123'))
  return targetOptions(command).action(async (argument: SessionId | undefined, flags: OneFlags) => {
    const id = oneSubject(SESSION, argument, flags.sessionId)
    const target = await targetOf(io, flags)
    if (target.kind === 'hosted') {
      const ended = await target.chatkit.cancelSession(id, { signal: io.signal })
      if (ended === null) throw failure(NO_SUCH_SESSION)
      const answer = { ...ended, client_secret: ended.client_secret?.reveal() }
      return await printObject(io, flags, answer)
    }
    const path = `/v1/admin/sessions/${id}/cancel`
    const session = expectAnswer(serviceSession, await target.service.call(`POST ${path}`))
    await printObject(io, flags, session)
    if (session.status === 'cancelling') remark(io, UNCONFIRMED)
  })
}

const UNCONFIRMED = 'OpenAI has not confirmed it yet; the service goes on trying by itself.'

const NO_SUCH_SESSION = 'the ChatKit API knows no such session for this key.\ncode: not_found'

function retrieveSession(io: Io): Command {
  const command = withSubject(new Command('retrieve'), SESSION)
    .description('Show a session that this service minted (the ChatKit API has no such call)')
    .addHelpText('after', examples('sessions retrieve cksess_123'))
  return targetOptions(command).action(async (argument: SessionId | undefined, flags: OneFlags) => {
    const id = oneSubject(SESSION, argument, flags.sessionId)
    const service = await onlyService(io, flags, 'shows a session')
    const answer = await service.call(`GET /v1/admin/sessions/${id}`)
    await printObject(io, flags, expectAnswer(serviceSession, answer))
  })
}

interface ListSessionFlags extends TargetFlags, ListFlags {
  readonly user?: string
  readonly workflow?: string
  readonly status?: string
  readonly issuer?: string
  readonly subject?: string
}

function listSessions(io: Io): Command {
  const command = new Command('list')
    .description('List sessions that this service minted (the ChatKit API has no such call)')
    .option('--user <user>', 'only sessions of this ChatKit user', user)
    .option('--workflow <name>', 'only sessions of this workflow', someText)
    .addOption(
      new Option('--status <status>', 'only sessions with this status').choices(SESSION_STATUSES),
    )
    .option('--issuer <url>', 'only sessions of tokens of this issuer', someText)
    .option('--subject <sub>', 'only sessions of tokens of this subject', someText)
  listOptions(command, 'sessions').addHelpText(
    'after',
    examples("sessions list --user 'acme|alice' --status active --all"),
  )
  return targetOptions(command).action(async (flags: ListSessionFlags) => {
    const service = await onlyService(io, flags, 'lists sessions')
    const { user, workflow, status, issuer, subject } = flags
    const filters = { user, workflow, status, issuer, subject }
    const fetch = service.pages('/v1/admin/sessions', serviceSession, filters)
    await printList(io, flags, { what: 'sessions', head: HEAD, row: rowOf, fetch })
  })
}

const HEAD = ['id', 'user', 'workflow', 'status', 'created', 'expires']

function rowOf({ id, created_at, expires_at, ...one }: z.infer<typeof serviceSession>) {
  return [id, one.user, one.workflow, one.status, time(created_at), time(expires_at)]
}

/** @param what - the end of a sentence about a call that the ChatKit API lacks */
async function onlyService(io: Io, flags: TargetFlags, what: string): Promise<ServiceClient> {
  if (targetKind(io, flags) === 'service') return await serviceOf(io, flags)
  throw wrongUse(
    `the ChatKit API has no call that ${what}. This service keeps those that it minted:\n` +
      'give its address with --url or CHATKIT_MINT_URL, and an admin token with --token-file or\n' +
      'CHATKIT_MINT_TOKEN.',
  )
}
