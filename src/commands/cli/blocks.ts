// `blocks list`: lists the users who are blocked.

import { Command } from 'commander'
import { z } from 'zod'
import { printList } from './answers.ts'
import { examples } from './arguments.ts'
import type { Io } from './io.ts'
import { time } from './output.ts'
import { type ListFlags, listOptions } from './pages.ts'
import { serviceOf, serviceOptions, type TargetFlags } from './target/target.ts'

const listedBlock = z.looseObject({
  user: z.string(),
  blocked_until: z.number(),
  reason: z.string().nullable(),
  by: z.string(),
  created_at: z.number(),
})

type ListedBlock = z.infer<typeof listedBlock>

const HEAD = ['user', 'until', 'reason', 'by', 'created']

export function blocksCommand(io: Io): Command {
  return new Command('blocks')
    .description('List the users who are blocked (needs --url and an admin token)')
    .addCommand(listBlocks(io))
}

function listBlocks(io: Io): Command {
  const command = new Command('list').description(
    'List the blocks in force, newest first; an id for --after or --before is a user',
  )
  listOptions(command, 'blocks').addHelpText('after', examples('blocks list --all'))
  return serviceOptions(command).action(async (flags: TargetFlags & ListFlags) => {
    const service = await serviceOf(io, flags)
    const fetch = service.pages('/v1/admin/blocks', listedBlock)
    await printList(io, flags, { what: 'blocks', head: HEAD, row: rowOf, fetch })
  })
}

function rowOf({ user, blocked_until, reason, by, created_at }: ListedBlock) {
  return [user, time(blocked_until), reason, by, time(created_at)]
}
