// `users erase`: asks for confirmation, then shows the erase line by line.

import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { Command } from 'commander'
import type { UserId } from '../../../lib/ids.ts'
import { printable } from '../../../lib/printable.ts'
import { printObject } from '../answers.ts'
import { examples, oneSubject, USER, withSubject } from '../arguments.ts'
import { CommandError, EXIT, failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { printLine, remark } from '../output.ts'
import { startProgress } from '../progress.ts'
import { readToSummary, type StreamLine, type StreamSummary } from '../target/summary-stream.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'

interface Flags extends TargetFlags {
  readonly user?: UserId
  readonly yes?: boolean
}

export function eraseUser(io: Io): Command {
  const command = withSubject(new Command('erase'), USER)
    .description('Revoke a user, delete all their threads and what this service keeps of them')
    .option('--yes', 'do not ask')
    .addHelpText('after', examples("users erase 'acme|alice' --yes"))
  return serviceOptions(command).action(async (argument: UserId | undefined, flags: Flags) => {
    const who = oneSubject(USER, argument, flags.user)
    const { yes = false, json = false } = flags
    if (!yes) checkTerminal(io, flags)
    // Done before the question, which is pointless if the call cannot be made.
    const service = await serviceOf(io, flags)
    if (!yes) await confirm(io, who)
    const path = `/v1/admin/users/${encodeURIComponent(who)}/erase`
    const summary = await follow(io, service.lines(`POST ${path}`), json)
    const { type: _type, ...counts } = summary
    if (!json) await printObject(io, {}, counts)
    if (!summary.complete) throw failure(INCOMPLETE)
  })
}

function checkTerminal(io: Io, { tokenFile }: Flags): void {
  if (io.stdin.isTTY === true && io.stderr.isTTY === true && tokenFile !== '-') return
  throw wrongUse(
    'erase asks to type the user on a terminal, and there is none. Nothing was erased. Add --yes\nto go ahead without the question.',
  )
}

async function confirm(io: Io, who: string): Promise<void> {
  const lines = createInterface({ input: io.stdin, output: io.stderr })
  try {
    const question =
      `This deletes all threads of ${printable(who)} and what is kept of that user, for good.\n` +
      'Type the user to go ahead: '
    let isInterrupted = false
    lines.once('SIGINT', () => {
      isInterrupted = true
      lines.close()
    })
    // Ctrl-D rejects the question. When the input is closed otherwise, it never resolves.
    const closed = once(lines, 'close').then(() => undefined)
    const asked = lines.question(question, { signal: io.signal }).catch(() => undefined)
    const answer = await Promise.race([asked, closed])
    io.signal.throwIfAborted()
    if (isInterrupted) throw new CommandError(EXIT.interrupted, 'interrupted')
    if (answer !== who) throw failure('not the same. Nothing was erased.')
  } finally {
    lines.close()
  }
}

async function follow(io: Io, lines: AsyncIterable<string>, json: boolean): Promise<StreamSummary> {
  const progress = startProgress(io, 'erasing', json)
  try {
    return await readToSummary(lines, TRUNCATED, async (text, line) => {
      if (json) await printLine(io, text)
      progress.show(countsOf(line))
    })
  } finally {
    progress.stop()
    if (io.signal.aborted)
      remark(io, 'the service goes on erasing; run it again to see what is left.')
  }
}

function countsOf(line: StreamLine): Record<string, number> {
  const entries = Object.entries(line).flatMap(([name, value]) =>
    typeof value === 'number' ? [[name.replaceAll('_', ' '), value] as const] : [],
  )
  return Object.fromEntries(entries)
}

const TRUNCATED =
  'the answer ended without its summary: what is left is not known. Run it again; that is safe.'

const INCOMPLETE =
  'not everything is erased; the summary says what is left. Run it again when the cause is corrected.'
