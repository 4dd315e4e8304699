// `audit list`: who did what through this service.

import { Command, Option } from 'commander'
import { z } from 'zod'
import { pageOf } from '../../chatkit/wire/wire.ts'
import { printPage } from './answers.ts'
import { examples, someText, user } from './arguments.ts'
import type { Io } from './io.ts'
import { jsonOption, printJson, time } from './output.ts'
import { type ListFlags, pageOptions, readList } from './pages.ts'
import { expectAnswer } from './target/service-client.ts'
import { serviceOf, serviceOptions, type TargetFlags } from './target/target.ts'

/** `audit list`, which `audit` alone is too. */
export function auditCommand(io: Io): Command {
  return new Command('audit')
    .description('The audit of this service (needs --url and an admin token)')
    .addCommand(listAudit(io), { isDefault: true })
}

/** Fields of an entry that a table shows. */
const entry = z.looseObject({
  id: z.string(),
  at: z.number(),
  actor: z.string(),
  action: z.string(),
  user: z.string().nullable(),
  outcome: z.string(),
  reason: z.string().nullable(),
})

type Flags = TargetFlags & ListFlags & { readonly json?: boolean }

function listAudit(io: Io): Command {
  const command = new Command('list')
    .description('List who did what, newest first; this read is in the audit too')
    .addOption(new Option('--user <user>', 'about this ChatKit user').argParser(user))
    .addOption(new Option('--action <action>', 'of this kind: mint, revoke, …').argParser(someText))
  for (const option of pageOptions('entries')) command.addOption(option)
  command
    .addOption(jsonOption())
    .addHelpText('after', examples("audit list --user 'acme|alice' --action revoke --all"))
  return serviceOptions(command).action(
    async (flags: Flags & { user?: string; action?: string }) => {
      const { user, action } = flags
      const service = await serviceOf(io, flags)
      const page = await readList(flags, async (list) =>
        expectAnswer(
          pageOf(entry),
          await service.call('GET /v1/admin/audit', { query: { ...list, user, action } }),
        ),
      )
      if (flags.json) await printJson(io, page)
      else await printPage(io, page, { head: HEAD, row })
    },
  )
}

const HEAD = ['id', 'at', 'actor', 'action', 'user', 'outcome', 'reason']

function row(one: z.infer<typeof entry>): readonly unknown[] {
  return [one.id, time(one.at), one.actor, one.action, one.user, one.outcome, one.reason]
}
