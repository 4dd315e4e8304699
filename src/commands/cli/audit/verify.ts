// `audit verify`: checks offline whether exported audit entries form an unbroken record.

import { Command } from 'commander'
import { z } from 'zod'
import { jsonOrUndefined } from '../../../lib/json.ts'
import { count } from '../../../lib/printable.ts'
import { examples } from '../arguments.ts'
import { failure } from '../exit.ts'
import { type Io, readInput, readTextFile } from '../io.ts'
import { jsonOption, print, printJson, printTable, remark, time } from '../output.ts'
import { type ChainFault, type ChainSummary, checkChains } from './check-chains.ts'

export function verifyAudit(io: Io): Command {
  return new Command('verify')
    .description(
      'Check offline that in an unfiltered export of the audit nothing was changed, removed or inserted',
    )
    .argument('[file]', 'output of `audit list --all --json`; standard input when absent')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('audit verify audit.json', 'audit list --all --json | chatkit-mint audit verify'),
    )
    .action(async (file: string | undefined, { json = false }: { json?: boolean }) => {
      const isFile = file !== undefined && file !== '-'
      const text = isFile ? await readTextFile(file) : await readInput(io)
      const { entries, more } = entriesIn(text)
      const checked = checkChains(newestFirst(entries))
      if (json) await printJson(io, checked)
      else await printChecked(io, checked)
      if (more) remark(io, 'There are older entries, which are not in this export.')
      const { length } = checked.faults
      if (length > 0) throw failure(`the audit is broken: ${count(length, 'fault')}.`)
    })
}

const page = z.looseObject({ data: z.array(z.unknown()), has_more: z.boolean().optional() })

/** The entries of a page as JSON, or of a text with one entry on each line. */
function entriesIn(text: string): { readonly entries: readonly unknown[]; readonly more: boolean } {
  const whole = jsonOrUndefined(text)
  const { data, success } = page.safeParse(whole)
  if (success) return { entries: data.data, more: data.has_more ?? false }
  if (Array.isArray(whole)) return { entries: whole, more: false }
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const entries = lines.map(jsonOrUndefined)
  if (entries.some((entry) => entry !== undefined)) return { entries, more: false }
  throw failure(
    'this is no export of the audit, or was changed: it is not JSON. Make one with\n' +
      'npx chatkit-mint audit list --all --json',
  )
}

const place = z.object({ instance: z.string(), seq: z.number() })

/**
 * Puts the newest entry first. A list has the newest first, lines of `--follow` the oldest. For each two successive
 * entries of one instance, the order of their `seq` is counted; the majority decides.
 */
function newestFirst(entries: readonly unknown[]): readonly unknown[] {
  const last = new Map<string, number>()
  let ascending = 0
  for (const entry of entries) {
    const { data } = place.safeParse(entry)
    if (data === undefined) continue
    const before = last.get(data.instance)
    if (before !== undefined) ascending += data.seq > before ? 1 : -1
    last.set(data.instance, data.seq)
  }
  return ascending > 0 ? entries.toReversed() : entries
}

/** Most faults in the table. */
const MOST_SHOWN = 1000

const HEAD = ['instance', 'entries', 'seq', 'from', 'to', 'erased']

async function printChecked(
  io: Io,
  { instances, unchained, faults }: ReturnType<typeof checkChains>,
): Promise<void> {
  if (instances.length > 0) await printTable(io, HEAD, instances.map(row))
  if (unchained > 0) await print(io, `entries of versions before the chain began: ${unchained}`)
  const shown = faults.slice(0, MOST_SHOWN).map(faultRow)
  if (shown.length > 0) await printTable(io, ['what', 'id', 'instance', 'seq'], shown)
  else await print(io, instances.length > 0 ? 'unbroken' : 'no chained entries')
  if (faults.length > MOST_SHOWN) remark(io, `The first ${MOST_SHOWN} faults; --json prints all.`)
}

function row(one: ChainSummary): readonly unknown[] {
  const seqs = `${one.firstSeq} to ${one.lastSeq}`
  return [one.instance, one.entries, seqs, time(one.firstAt), time(one.lastAt), one.erased]
}

function faultRow({ kind, id, instance, seq, upto }: ChainFault): readonly unknown[] {
  return [kind, id, instance, upto === undefined ? seq : `${seq} to ${upto}`]
}
