// `users find`: lists the users who have had a session, or finds them by the beginning of a name.

import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { MAX_USER_CHARACTERS } from '../../../lib/ids.ts'
import { printList } from '../answers.ts'
import { examples } from '../arguments.ts'
import type { Io } from '../io.ts'
import { time } from '../output.ts'
import { type ListFlags, pageOptions } from '../pages.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'

const listedUser = z.looseObject({
  user: z.string(),
  issuer: z.string(),
  subject: z.string(),
  last_seen: z.number(),
  live_sessions: z.number(),
  blocked_until: z.number().nullable(),
})

type ListedUser = z.infer<typeof listedUser>

const HEAD = ['user', 'subject', 'last seen', 'live', 'blocked until']

export function findUsers(io: Io): Command {
  const command = new Command('find')
    .description(
      'Find users who have had a session; without a name, list all of them, last seen first',
    )
    .argument(
      '[name]',
      'beginning of the user or the subject; upper and lower case are the same',
      beginning,
    )
  pageOptions(command, 'users').addHelpText(
    'after',
    examples('users find ali', "users find 'https://login.acme' --all"),
  )
  return serviceOptions(command).action(
    async (q: string | undefined, flags: TargetFlags & ListFlags) => {
      const service = await serviceOf(io, flags)
      const fetch = service.pages('/v1/admin/users', listedUser, { q })
      const what = q === undefined ? 'users' : 'users whose user or subject begins with that'
      await printList(io, flags, { what, head: HEAD, row: rowOf, fetch })
    },
  )
}

function rowOf({ user, subject, last_seen, live_sessions, blocked_until }: ListedUser) {
  return [user, subject, time(last_seen), live_sessions, time(blocked_until)]
}

function beginning(text: string): string {
  if (text.isWellFormed() && [...text].length <= MAX_USER_CHARACTERS) return text
  throw new InvalidArgumentError(
    `It has at most ${MAX_USER_CHARACTERS} characters, all of them whole.`,
  )
}
