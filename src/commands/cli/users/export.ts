// `users export`: prints or saves all data of a user.

import { Command } from 'commander'
import type { UserId } from '../../../lib/ids.ts'
import { examples, oneSubject, USER, withSubject } from '../arguments.ts'
import { failure } from '../exit.ts'
import type { Io } from '../io.ts'
import { printLine, remark } from '../output.ts'
import { startProgress } from '../progress.ts'
import { readToSummary, type StreamSummary } from '../target/summary-stream.ts'
import { serviceOf, serviceOptions, type TargetFlags } from '../target/target.ts'
import { type ExportFile, openExportFile } from './export-file.ts'

interface Flags extends TargetFlags {
  readonly output?: string
  readonly user?: UserId
}

export function exportUser(io: Io): Command {
  const command = withSubject(new Command('export'), USER)
    .description('Export all data of a user as NDJSON: sessions, threads, items, audit')
    .option(
      '--output <file>',
      'file to write, which appears when it is complete; standard output when absent',
    )
    .addHelpText('after', examples("users export 'acme|alice' --output alice.ndjson"))
  return serviceOptions(command).action(async (argument: UserId | undefined, flags: Flags) => {
    const who = oneSubject(USER, argument, flags.user)
    const service = await serviceOf(io, flags)
    const lines = service.lines(`GET /v1/admin/users/${encodeURIComponent(who)}/export`)
    if (flags.output === undefined || flags.output === '-') await copy(io, lines)
    else await exportToFile(io, lines, flags.output)
  })
}

async function exportToFile(io: Io, lines: AsyncIterable<string>, path: string): Promise<void> {
  const file = await openExportFile(path)
  try {
    const summary = await copy(io, lines, file)
    await file.complete()
    remark(io, `written to ${path}: ${countsOf(summary)}`)
  } finally {
    await file.close()
  }
}

/** @returns the summary of a complete export */
async function copy(
  io: Io,
  lines: AsyncIterable<string>,
  file?: ExportFile,
): Promise<StreamSummary> {
  const where = file === undefined ? '' : ` What came is in ${file.partialPath}.`
  const progress = startProgress(io, 'exporting', file === undefined)
  const counts = { sessions: 0, threads: 0, items: 0 }
  const names: Readonly<Record<string, keyof typeof counts>> = {
    session: 'sessions',
    thread: 'threads',
    item: 'items',
  }
  try {
    const summary = await readToSummary(lines, TRUNCATED + where, async (text, { type }) => {
      await (file === undefined ? printLine(io, text) : file.write(text))
      const name = names[type]
      if (name !== undefined) counts[name]++
      progress.show(counts)
    })
    if (!summary.complete) throw failure(INCOMPLETE + where)
    return summary
  } finally {
    progress.stop()
  }
}

const TRUNCATED = 'the export is truncated: it ended without its summary. Run it again.'

const INCOMPLETE =
  'the export is not complete; the summary, its last line, says what failed. Run it again when the cause is corrected.'

function countsOf(summary: StreamSummary): string {
  const numbers = Object.entries(summary).filter(([, value]) => typeof value === 'number')
  return numbers.map(([name, value]) => `${name}: ${value}`).join(', ')
}
