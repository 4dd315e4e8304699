// `audit list` shows who did what through this service; `audit verify` checks that the record is unbroken.

import { Command, Option } from 'commander'
import type { z } from 'zod'
import { AUDIT_ACTIONS } from '../../../registry/audit-entry.ts'
import { printList } from '../answers.ts'
import { examples, moment, someText, user } from '../arguments.ts'
import type { Io } from '../io.ts'
import { time } from '../output.ts'
import { type ListFlags, pageOptions } from '../pages.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'
import { follow, shownEntry } from './follow.ts'
import { verifyAudit } from './verify.ts'

/** `audit list` and `audit verify`; `audit` alone is `audit list`. */
export function auditCommand(io: Io): Command {
  return new Command('audit')
    .description('List or verify the audit of this service (list needs --url and an admin token)')
    .addCommand(listAudit(io), { isDefault: true })
    .addCommand(verifyAudit(io))
}

interface Flags extends TargetFlags, ListFlags {
  readonly user?: string
  readonly actor?: string
  readonly action?: string
  readonly notAction?: string
  readonly since?: number
  readonly until?: number
  readonly follow?: true
}

function listAudit(io: Io): Command {
  const command = new Command('list')
    .description('List who did what, newest first; this call is in the audit too')
    .option('--user <user>', 'only entries about this ChatKit user', user)
    .option('--actor <actor>', 'only entries of this actor, issuer|subject', someText)
    .addOption(new Option('--action <action>', 'only entries of this kind').choices(AUDIT_ACTIONS))
    .addOption(
      new Option('--not-action <action>', 'only entries of other kinds').choices(AUDIT_ACTIONS),
    )
    .option('--since <time>', 'only entries from this time on; ISO 8601 or Unix seconds', moment)
    .option('--until <time>', 'only entries before this time', moment)
  pageOptions(command, 'entries')
    .addOption(
      new Option('--follow', 'go on printing new entries as they come, until Ctrl-C').conflicts([
        ...['all', 'maxItems', 'after', 'until'],
      ]),
    )
    .addHelpText('after', EXAMPLES)
  return serviceOptions(command).action(async (flags: Flags) => {
    const service = await serviceOf(io, flags)
    const { user, actor, action, notAction, since, until } = flags
    const filters = { user, actor, action, not_action: notAction, since, until }
    const fetch = service.pages('/v1/admin/audit', shownEntry, filters)
    if (flags.follow) return await follow(io, fetch, flags)
    await printList(io, flags, { what: 'entries', head: HEAD, row, fetch })
  })
}

const EXAMPLES = examples(
  "audit list --user 'acme|alice' --action revoke --all",
  'audit list --not-action admin_read --since 2026-11-26T03:00:00Z',
  'audit list --follow --not-action admin_read',
  'audit list --all --json > audit.json && chatkit-mint audit verify audit.json',
)

const HEAD = ['id', 'at', 'actor', 'action', 'user', 'outcome', 'reason']

function row(one: z.infer<typeof shownEntry>): readonly unknown[] {
  return [one.id, time(one.at), one.actor, one.action, one.user, one.outcome, one.reason]
}
