// `users revoke`: revokes all sessions of a user, or of the users of a token's subject.

import { Command } from 'commander'
import { z } from 'zod'
import type { UserId } from '../../../lib/ids.ts'
import { printable } from '../../../lib/printable.ts'
import { printObject } from '../answers.ts'
import { examples, oneSubject, someText, USER, wholeNumber, withSubject } from '../arguments.ts'
import { type CommandError, failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { remark, time } from '../output.ts'
import { expectAnswer } from '../target/service-client.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'

interface RevokeFlags extends TargetFlags {
  readonly user?: UserId
  readonly issuer?: string
  readonly subject?: string
  readonly blockSeconds?: number
  readonly reason?: string
  readonly evenIfUnknown?: boolean
}

const revoked = z.looseObject({
  user: z.string(),
  /** Absent in answers of older services. */
  known: z.boolean().optional(),
  cancelling: z.array(z.string()),
  blocked_until: z.number().nullable(),
})

const YEAR_SECONDS = 31_536_000

export function revokeUser(io: Io): Command {
  const command = withSubject(new Command('revoke'), USER)
    .description('Revoke all sessions of a user; with --block-seconds, also block the user')
    .option('--issuer <url>', 'instead of a user: the issuer of their tokens', someText)
    .option('--subject <sub>', 'instead of a user: the subject of their tokens', someText)
    .option(
      '--block-seconds <n>',
      'seconds without a new session; 0 when absent',
      wholeNumber(0, YEAR_SECONDS),
    )
    .option('--reason <text>', 'the reason, for the audit')
    .option('--even-if-unknown', 'exit with 0 even if the user never had a session here')
    .addHelpText(
      'after',
      examples(
        "users revoke 'acme|alice' --block-seconds 3600 --reason 'lost phone'",
        'users revoke --issuer https://login.acme.example/ --subject alice',
      ),
    )
  return serviceOptions(command).action(async (who: UserId | undefined, flags: RevokeFlags) => {
    const body = { ...whose(who, flags), block_seconds: flags.blockSeconds, reason: flags.reason }
    const service = await serviceOf(io, flags)
    const answer = expectAnswer(revoked, await service.call('POST /v1/admin/revoke', { body }))
    await printObject(io, flags, answer)
    if (answer.cancelling.length > 0) {
      remark(io, 'The upstream has not confirmed all of them yet; the service goes on trying.')
    }
    if (answer.known === false && !flags.evenIfUnknown) throw neverSeen(answer)
  })
}

function whose(argument: UserId | undefined, { user, issuer, subject }: RevokeFlags) {
  const isNamed = argument !== undefined || user !== undefined
  if (isNamed && issuer === undefined && subject === undefined) {
    return { user: oneSubject(USER, argument, user) }
  }
  if (!isNamed && issuer !== undefined && subject !== undefined) return { issuer, subject }
  throw wrongUse('name one user: either a user, or --issuer and --subject together.')
}

function neverSeen({ user, blocked_until }: z.infer<typeof revoked>): CommandError {
  const block =
    blocked_until === null
      ? 'No block is set.'
      : `The block is set all the same, until ${time(blocked_until)}.`
  return failure(
    `never seen: ${printable(user)} has had no session here, so none was cancelled. ${block}\n` +
      'Is the name right? `users find` looks by its beginning. --even-if-unknown makes this no error.',
  )
}
