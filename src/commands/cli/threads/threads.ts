// `threads list|retrieve|delete|list-items|import`.

import { Command, Option } from 'commander'
import type { ThreadId } from '../../../lib/ids.ts'
import { printItems, printObject, printThreads } from '../answers.ts'
import { type ListFlags, listOptions, someText, threadId, user } from '../arguments.ts'
import { CommandError, EXIT } from '../exit.ts'
import type { Io } from '../io.ts'
import { jsonOption, printJson } from '../output.ts'
import { serviceThreads, type ThreadCalls } from '../target/service-threads.ts'
import { type Target, type TargetFlags, targetOptions, withTarget } from '../target/target.ts'
import { importThreadsCommand } from './import.ts'

/** `threads list|retrieve|delete|list-items|import` */
export function threadsCommand(io: Io): Command {
  return new Command('threads')
    .alias('beta:chatkit:threads')
    .description('ChatKit threads, of any user')
    .addCommand(listThreads(io))
    .addCommand(retrieveThread(io))
    .addCommand(deleteThread(io))
    .addCommand(listItems(io))
    .addCommand(importThreadsCommand(io))
}

type Flags = TargetFlags & { readonly json?: boolean }
type OneFlags = Flags & { readonly threadId: ThreadId }

function listThreads(io: Io): Command {
  const command = new Command('list')
    .description(
      'List threads; without --user those of all users. A service of several sources (API keys,\n' +
        'self-hosted servers) takes --before only with --workflow.',
    )
    .addOption(new Option('--user <user>', 'of this user').argParser(user))
    .addOption(
      new Option('--workflow <name>', 'of this workflow (only with --url)').argParser(someText),
    )
  for (const option of listOptions('threads')) command.addOption(option)
  command.addOption(jsonOption())
  return targetOptions(command).action(
    async (flags: Flags & ListFlags & { user?: string; workflow?: string }) => {
      const { user, workflow, ...rest } = flags
      await withTarget(io, flags, async (target) => {
        if (workflow !== undefined && target.kind === 'hosted') throw hostedKnowsNoWorkflow()
        const query = { ...listQuery(rest), user, workflow }
        const page = await callsOf(io, target).listThreads(query)
        await (flags.json ? printJson(io, page) : printThreads(io, page))
      })
    },
  )
}

function retrieveThread(io: Io): Command {
  const command = withThreadId(new Command('retrieve'), 'Show a thread').addOption(jsonOption())
  return targetOptions(command).action(async (flags: OneFlags) => {
    await withTarget(io, flags, async (target) => {
      const thread = await callsOf(io, target).retrieveThread(flags.threadId)
      await printObject(io, thread, flags.json ?? false)
    })
  })
}

function deleteThread(io: Io): Command {
  const description = 'Delete a thread with its items and attachments; asks nothing'
  const command = withThreadId(new Command('delete'), description).addOption(jsonOption())
  return targetOptions(command).action(async (flags: OneFlags) => {
    await withTarget(io, flags, async (target) => {
      const deleted = await callsOf(io, target).deleteThread(flags.threadId)
      await printObject(io, deleted, flags.json ?? false)
      if (!deleted.deleted) throw new CommandError(EXIT.failed, 'the thread was not deleted.')
    })
  })
}

function listItems(io: Io): Command {
  const command = withThreadId(new Command('list-items'), 'List the items of a thread')
  for (const option of listOptions('items')) command.addOption(option)
  command.addOption(jsonOption())
  return targetOptions(command).action(async (flags: OneFlags & ListFlags) => {
    await withTarget(io, flags, async (target) => {
      const page = await callsOf(io, target).listThreadItems(flags.threadId, listQuery(flags))
      await (flags.json ? printJson(io, page) : printItems(io, page))
    })
  })
}

function withThreadId(command: Command, description: string): Command {
  const option = new Option('--thread-id <id>', 'of the thread').argParser(threadId)
  return command.description(description).addOption(option.makeOptionMandatory())
}

/** The list's own flags, without those that say whom to ask. */
function listQuery({ limit, order, after, before }: ListFlags): ListFlags {
  return {
    ...(limit !== undefined && { limit }),
    ...(order !== undefined && { order }),
    ...(after !== undefined && { after }),
    ...(before !== undefined && { before }),
  }
}

function callsOf(io: Io, target: Target): ThreadCalls {
  if (target.kind === 'service') return serviceThreads(target.service)
  const { chatkit } = target
  const call = { signal: io.signal }
  return {
    listThreads: ({ workflow: _workflow, ...query }) => chatkit.listThreads(query, call),
    retrieveThread: (id) => chatkit.retrieveThread(id, call),
    deleteThread: (id) => chatkit.deleteThread(id, call),
    listThreadItems: (id, query) => chatkit.listThreadItems(id, query, call),
  }
}

function hostedKnowsNoWorkflow(): CommandError {
  return new CommandError(
    EXIT.usage,
    '--workflow: the ChatKit API does not know which workflow a thread is of. This service can\n' +
      'tell its own apart: see --url.',
  )
}
