// `threads list|retrieve|delete|list-items|import`.

import { Command } from 'commander'
import type { ChatKit } from '../../../chatkit/port.ts'
import type { ThreadItem } from '../../../chatkit/wire/item.ts'
import {
  type Thread,
  thread,
  threadDeleted,
  threadItemPage,
  threadPage,
} from '../../../chatkit/wire/thread.ts'
import type { ListQuery, ThreadListQuery } from '../../../chatkit/wire/wire.ts'
import type { ThreadId } from '../../../lib/ids.ts'
import { printList, printObject } from '../answers.ts'
import {
  configOption,
  examples,
  oneSubject,
  someText,
  THREAD,
  user,
  withSubject,
} from '../arguments.ts'
import { failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { jsonOption, time } from '../output.ts'
import { type ListFlags, listOptions } from '../pages.ts'
import { expectAnswer, type ServiceClient } from '../target/service-client.ts'
import { type TargetFlags, targetOf, targetOptions } from '../target/target.ts'
import type { ImportFlags } from './import.ts'

/** `threads list|retrieve|delete|list-items|import` */
export function threadsCommand(io: Io): Command {
  return new Command('threads')
    .alias('beta:chatkit:threads')
    .description('List, retrieve, delete and import ChatKit threads of any user')
    .addCommand(listThreads(io))
    .addCommand(retrieveThread(io))
    .addCommand(deleteThread(io))
    .addCommand(listItems(io))
    .addCommand(importThreads(io))
}

type OneFlags = TargetFlags & { readonly threadId?: ThreadId }

function listThreads(io: Io): Command {
  const command = new Command('list')
    .description(
      'List threads; without --user those of all users. A service of several sources (API keys, ' +
        'self-hosted servers) takes --before only with --workflow.',
    )
    .option('--user <user>', 'only threads of this user', user)
    .option('--workflow <name>', 'only threads of this workflow (with --url)', someText)
  listOptions(command, 'threads').addHelpText(
    'after',
    examples("threads list --user 'acme|alice' --max-items 500"),
  )
  return targetOptions(command).action(
    async (flags: TargetFlags & ListFlags & { user?: string; workflow?: string }) => {
      const { user, workflow } = flags
      const calls = await callsOf(io, flags)
      const fetch = (list: ListQuery) => calls.listThreads({ ...list, user, workflow })
      await printList(io, flags, { ...THREADS, fetch })
    },
  )
}

function retrieveThread(io: Io): Command {
  const command = withSubject(new Command('retrieve'), THREAD)
    .description('Show a thread')
    .addHelpText('after', examples('threads retrieve cthr_123'))
  return targetOptions(command).action(async (argument: ThreadId | undefined, flags: OneFlags) => {
    const id = oneSubject(THREAD, argument, flags.threadId)
    const calls = await callsOf(io, flags)
    await printObject(io, flags, await calls.retrieveThread(id))
  })
}

function deleteThread(io: Io): Command {
  const command = withSubject(new Command('delete'), THREAD)
    .description('Delete a thread with its items and attachments; asks nothing')
    .addHelpText('after', examples('threads delete cthr_123'))
  return targetOptions(command).action(async (argument: ThreadId | undefined, flags: OneFlags) => {
    const id = oneSubject(THREAD, argument, flags.threadId)
    const calls = await callsOf(io, flags)
    const deleted = await calls.deleteThread(id)
    await printObject(io, flags, deleted)
    if (!deleted.deleted) throw failure('the thread was not deleted.')
  })
}

function listItems(io: Io): Command {
  const command = withSubject(new Command('list-items'), THREAD).description(
    'List the items of a thread',
  )
  listOptions(command, 'items').addHelpText(
    'after',
    examples('threads list-items cthr_123 --order asc --all'),
  )
  return targetOptions(command).action(
    async (argument: ThreadId | undefined, flags: OneFlags & ListFlags) => {
      const id = oneSubject(THREAD, argument, flags.threadId)
      const calls = await callsOf(io, flags)
      await printList(io, flags, { ...ITEMS, fetch: (list) => calls.listThreadItems(id, list) })
    },
  )
}

/** `threads import --workflow W FILE` */
function importThreads(io: Io): Command {
  return new Command('import')
    .description(
      'Record the owners of threads from before the move: lines of thread_id,user, oldest first.\n' +
        'Writes to the store that STORE_URL names. A thread that has an owner keeps it.',
    )
    .argument('<file>', 'file with the lines; the id ends at the first comma')
    .requiredOption('--workflow <name>', 'the self-hosted workflow that has the threads', someText)
    .addOption(configOption())
    .addOption(jsonOption())
    .addHelpText('after', examples('threads import --workflow helpdesk owners.csv'))
    .action(async (file: string, flags: ImportFlags) => {
      await (await import('./import.ts')).importThreads(io, file, flags)
    })
}

/** The four operations on threads, for the ChatKit API and for this service. */
interface ThreadCalls extends Pick<ChatKit, 'retrieveThread' | 'deleteThread' | 'listThreadItems'> {
  listThreads(
    query: ThreadListQuery & { workflow?: string | undefined },
  ): ReturnType<ChatKit['listThreads']>
}

async function callsOf(io: Io, flags: TargetFlags): Promise<ThreadCalls> {
  const target = await targetOf(io, flags)
  if (target.kind === 'service') return serviceThreads(target.service)
  const { chatkit } = target
  const call = { signal: io.signal }
  return {
    async listThreads({ workflow, ...query }) {
      if (workflow !== undefined) throw wrongUse(HOSTED_KNOWS_NO_WORKFLOW)
      return await chatkit.listThreads(query, call)
    },
    retrieveThread: (id) => chatkit.retrieveThread(id, call),
    deleteThread: (id) => chatkit.deleteThread(id, call),
    listThreadItems: (id, query) => chatkit.listThreadItems(id, query, call),
  }
}

/** Any user's threads: the service's answers have the ChatKit API's shapes. */
function serviceThreads({ call }: ServiceClient): ThreadCalls {
  const path = '/v1/admin/threads'
  return {
    listThreads: async (query) => expectAnswer(threadPage, await call(`GET ${path}`, { query })),
    retrieveThread: async (id) => expectAnswer(thread, await call(`GET ${path}/${id}`)),
    deleteThread: async (id) => expectAnswer(threadDeleted, await call(`DELETE ${path}/${id}`)),
    listThreadItems: async (id, query) =>
      expectAnswer(threadItemPage, await call(`GET ${path}/${id}/items`, { query })),
  }
}

const HOSTED_KNOWS_NO_WORKFLOW =
  '--workflow: the ChatKit API does not know which workflow a thread is of. This service can\n' +
  'tell its own apart: see --url.'

const THREADS = {
  what: 'threads',
  head: ['id', 'created', 'status', 'user', 'title'],
  row: (one: Thread) => [one.id, time(one.created_at), one.status.type, one.user, one.title],
}

/** The text of an item is cut; `--json` has all of it. */
const ITEMS = {
  what: 'items',
  head: ['id', 'created', 'type', 'what it says'],
  row: (one: ThreadItem) => [
    one.id,
    time('created_at' in one ? one.created_at : undefined),
    String(one['type'] ?? '').replace(/^chatkit\./, ''),
    cut(textOf(one)),
  ],
}

const MOST_CHARACTERS = 80

function cut(text: string): string {
  const characters = [...text]
  if (characters.length <= MOST_CHARACTERS) return text
  return `${characters.slice(0, MOST_CHARACTERS - 1).join('')}…`
}

/** Fields that hold the text of any kind of item, in the order of reading. */
const TEXTS = ['name', 'arguments', 'heading', 'summary', 'text', 'widget', 'output'] as const
const LISTS = ['content', 'tasks'] as const

function textOf(item: Readonly<Record<string, unknown>>): string {
  const own = TEXTS.map((name) => item[name]).filter((value) => typeof value === 'string')
  const parts = LISTS.flatMap((name) => item[name] ?? []).flatMap((part) =>
    typeof part === 'object' ? textOf({ ...part }) : [],
  )
  return [...own, ...parts].filter((text) => text !== '').join(' · ')
}
