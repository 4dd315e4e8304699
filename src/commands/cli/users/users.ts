// `users find|revoke|unblock|export|erase|receipt`.

import { Command } from 'commander'
import { z } from 'zod'
import type { UserId } from '../../../lib/ids.ts'
import { printable } from '../../../lib/printable.ts'
import { examples, oneSubject, USER, withSubject } from '../arguments.ts'
import type { Io } from '../io.ts'
import { printJson, remark } from '../output.ts'
import { expectAnswer } from '../target/service-client.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'
import { eraseUser } from './erase.ts'
import { exportUser } from './export.ts'
import { findUsers } from './find.ts'
import { userReceipt } from './receipt.ts'
import { revokeUser } from './revoke.ts'

/** `users find|revoke|unblock|export|erase|receipt` */
export function usersCommand(io: Io): Command {
  return new Command('users')
    .description('Find, revoke, export and erase users (needs --url and an admin token)')
    .addCommand(findUsers(io))
    .addCommand(revokeUser(io))
    .addCommand(unblockUser(io))
    .addCommand(exportUser(io))
    .addCommand(eraseUser(io))
    .addCommand(userReceipt(io))
}

type Flags = TargetFlags & { readonly user?: UserId }

function unblockUser(io: Io): Command {
  const command = withSubject(new Command('unblock'), USER)
    .description("Lift a user's block, if there is one")
    .addHelpText('after', examples("users unblock 'acme|alice'"))
  return serviceOptions(command).action(async (argument: UserId | undefined, flags: Flags) => {
    const who = oneSubject(USER, argument, flags.user)
    const service = await serviceOf(io, flags)
    const line = `DELETE /v1/admin/users/${encodeURIComponent(who)}/block`
    const answer = expectAnswer(z.null(), await service.call(line))
    if (flags.json) await printJson(io, answer)
    else remark(io, `done: ${printable(who)} is not blocked.`)
  })
}
