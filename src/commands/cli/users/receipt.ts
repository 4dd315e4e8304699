// `users receipt`: fetches a signed receipt of a user's sessions, or verifies one with the published keys.

import { Command, Option } from 'commander'
import { z } from 'zod'
import {
  InvalidReceiptError,
  type Receipt,
  readReceipt,
  verifyReceipt,
} from '../../../chatkit/signing/receipt.ts'
import { readCliEnvironment } from '../../../config/cli-environment.ts'
import type { UserId } from '../../../lib/ids.ts'
import { jsonOrUndefined } from '../../../lib/json.ts'
import { count, printable } from '../../../lib/printable.ts'
import { reasonOf } from '../../../lib/show.ts'
import { examples, moment, oneSubject, someText, USER, withSubject } from '../arguments.ts'
import { CommandError, EXIT, failure, wrongUse } from '../exit.ts'
import { type Io, readTextFile } from '../io.ts'
import { print, printFields, printJson, printTable, remark, time } from '../output.ts'
import { serviceOf, serviceOptions, serviceUrl, type TargetFlags, urlOf } from '../target/target.ts'
import { openExportFile } from './export-file.ts'

interface Flags extends TargetFlags {
  readonly user?: UserId
  readonly since?: number
  readonly output?: string
  readonly verify?: string
  readonly keys?: string
}

const KEY_SET = '/.well-known/jwks.json'

export function userReceipt(io: Io): Command {
  const command = withSubject(new Command('receipt'), USER)
    .description(
      'Get or verify a signed receipt: which sessions were live, who ended them, what the upstream confirmed',
    )
    .option('--since <time>', 'leave out sessions that had ended before', moment)
    .option('--output <file>', 'file to write; standard output when absent')
    .addOption(
      new Option(
        '--verify <file>',
        'verify the receipt in this file instead; --url is the service that must have signed it',
      )
        .argParser(someText)
        .conflicts(['since', 'output']),
    )
    .option(
      '--keys <file-or-url>',
      `with --verify: the public keys; ${KEY_SET} of the service when absent`,
    )
    .addHelpText('after', EXAMPLES)
  return serviceOptions(command).action(async (argument: UserId | undefined, flags: Flags) => {
    const isNamed = argument !== undefined || flags.user !== undefined
    if (flags.verify === undefined) {
      return await fetchReceipt(io, oneSubject(USER, argument, flags.user), flags)
    }
    const who = isNamed ? oneSubject(USER, argument, flags.user) : undefined
    await verify(io, flags.verify, { ...flags, who })
  })
}

const EXAMPLES = examples(
  "users receipt 'acme|alice' --output alice.jws",
  'users receipt --verify alice.jws --url https://chat.example.com',
  'users receipt --verify alice.jws --url https://chat.example.com --keys jwks.json',
)

async function fetchReceipt(io: Io, who: string, { since, output, ...flags }: Flags) {
  if (flags.keys !== undefined) throw wrongUse('--keys goes with --verify.')
  const service = await serviceOf(io, flags)
  const line = `GET /v1/admin/users/${encodeURIComponent(who)}/receipt`
  const receipt = await service.text(line, { query: { since } })
  const content = readReceipt(receipt)
  if (content === undefined) {
    throw failure('the answer is no receipt; is --url that of this service?')
  }
  if (output === undefined || output === '-') await print(io, receipt)
  else {
    await save(receipt, output)
    const sessions = count(content.sessions.length, 'session')
    remark(io, `written to ${output}: ${sessions} of ${printable(who)}`)
  }
  if (content.sessions.length > 0 || content.generation > 0) return
  remark(io, 'The receipt says that nothing is known of this user. Is the id right?')
}

async function save(receipt: string, path: string): Promise<void> {
  const file = await openExportFile(path)
  try {
    await file.write(receipt)
    await file.complete()
  } finally {
    await file.close()
  }
}

async function verify(
  io: Io,
  path: string,
  { who, json = false, ...flags }: Flags & { readonly who: string | undefined },
): Promise<void> {
  const issuer = issuerOf(io, flags)
  const keys = await keysFrom(io, flags.keys ?? issuer + KEY_SET)
  const text = (await readTextFile(path)).trim()
  const receipt = await verifyReceipt(text, keys, issuer).catch((error) => {
    if (!(error instanceof InvalidReceiptError)) throw error
    throw failure(`this is no receipt of ${issuer}: ${error.message}.`)
  })
  if (who !== undefined && receipt.user !== who) {
    throw failure(`the receipt is of ${printable(receipt.user)}.`)
  }
  await (json ? printJson(io, receipt) : printReceipt(io, receipt))
}

/** The expected signer. It has no default, because it decides trust. */
function issuerOf(io: Io, flags: Flags): string {
  const named = serviceUrl(io, flags)
  if (named !== undefined) return named
  const { keys } = flags
  if (keys?.endsWith(KEY_SET) && URL.canParse(keys)) return keys.slice(0, -KEY_SET.length)
  throw wrongUse(
    'the signer is not named: give the public URL of the service whose receipt it must be as --url.',
  )
}

const keySet = z.looseObject({ keys: z.array(z.looseObject({ kty: z.string() })) })

async function keysFrom(io: Io, place: string) {
  const given = /^https?:/i.test(place) ? await download(io, place) : await readTextFile(place)
  const parsed = keySet.safeParse(typeof given === 'string' ? jsonOrUndefined(given) : given)
  if (parsed.success) return parsed.data
  throw failure(`${place} is no set of public keys (RFC 7517).`)
}

async function download(io: Io, place: string): Promise<unknown> {
  const url = new URL(urlOf(place, '--keys') ?? place)
  const { createFetchJson } = await import('../../../authenticate/keys/fetch-json.ts')
  const { connectTo } = await import('../../../lib/connections.ts')
  const dispatcher = connectTo(url.origin, readCliEnvironment(io.variables).proxies.proxyFor)
  try {
    return await createFetchJson({ dispatcher, insecureHttp: false })(url)
  } catch (error) {
    throw new CommandError(EXIT.unavailable, `no keys: ${printable(reasonOf(error))}.`)
  } finally {
    await dispatcher.destroy()
  }
}

async function printReceipt(io: Io, receipt: Receipt): Promise<void> {
  await printFields(io, [
    ['signed by', receipt.iss],
    ['at', time(receipt.iat)],
    ['user', receipt.user],
    ['blocked until', time(receipt.blocked_until)],
    ['complete since', time(receipt.from)],
    ['generation', receipt.generation],
  ])
  const head = ['session', 'workflow', 'created', 'status', 'ended', 'confirmed', 'by']
  await printTable(io, head, receipt.sessions.map(row))
  if (receipt.truncated) remark(io, 'There are older sessions, which are not in this receipt.')
}

function row(one: Receipt['sessions'][number]): readonly unknown[] {
  const asked = one.status === 'cancelling' || one.status === 'cancelled'
  const confirmed = one.confirmed_at === null && asked ? 'unconfirmed' : time(one.confirmed_at)
  const [created, ended] = [time(one.created_at), time(one.ended_at)]
  return [one.id, one.workflow, created, one.status, ended, confirmed, one.by]
}
