// `users revoke|unblock|export|erase|receipt`.

import { Command, Option } from 'commander'
import { z } from 'zod'
import { printObject } from '../answers.ts'
import { examples, userArgument, wholeNumber } from '../arguments.ts'
import type { Io } from '../io.ts'
import { jsonOption, printJson, remark } from '../output.ts'
import { expectAnswer } from '../target/service-client.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'
import { eraseUser } from './erase.ts'
import { exportUser } from './export.ts'
import { userReceipt } from './receipt.ts'

/** `users revoke|unblock|export|erase|receipt` */
export function usersCommand(io: Io): Command {
  return new Command('users')
    .description('What this service can do about a user (needs --url and an admin token)')
    .addCommand(revokeUser(io))
    .addCommand(unblockUser(io))
    .addCommand(exportUser(io))
    .addCommand(eraseUser(io))
    .addCommand(userReceipt(io))
}

type Flags = TargetFlags & { readonly json?: boolean }

const revoked = z.looseObject({ cancelling: z.array(z.string()) })

const YEAR_SECONDS = 31_536_000

function revokeUser(io: Io): Command {
  const command = new Command('revoke')
    .description('Take back all sessions of a user')
    .addArgument(userArgument())
    .addOption(
      new Option('--block-seconds <n>', 'no new session for so long; 0 when absent').argParser(
        wholeNumber(0, YEAR_SECONDS),
      ),
    )
    .addOption(new Option('--reason <text>', 'for the audit'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples("users revoke 'acme|alice' --block-seconds 3600 --reason 'lost phone'"),
    )
  return serviceOptions(command).action(
    async (who: string, flags: Flags & { blockSeconds?: number; reason?: string }) => {
      const service = await serviceOf(io, flags)
      const body = { block_seconds: flags.blockSeconds, reason: flags.reason }
      const path = `/v1/admin/users/${encodeURIComponent(who)}/revoke`
      const answer = expectAnswer(revoked, await service.call(`POST ${path}`, { body }))
      await printObject(io, answer, flags.json ?? false)
      if (answer.cancelling.length > 0) {
        remark(io, 'OpenAI has not confirmed all of them yet; the service goes on trying.')
      }
    },
  )
}

function unblockUser(io: Io): Command {
  const command = new Command('unblock')
    .description("Lift a user's block, if there is one")
    .addArgument(userArgument())
    .addOption(jsonOption())
    .addHelpText('after', examples("users unblock 'acme|alice'"))
  return serviceOptions(command).action(async (who: string, flags: Flags) => {
    const service = await serviceOf(io, flags)
    const answer = await service.call(`DELETE /v1/admin/users/${encodeURIComponent(who)}/block`)
    if (flags.json) await printJson(io, answer)
    else remark(io, 'done: the user is not blocked.')
  })
}
