// `token create`: gets a user's token from the embedded sign-in of `npm run dev` or of the demo.

import { Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { readCliEnvironment, signInUrl } from '../../config/cli-environment.ts'
import { jsonOrUndefined } from '../../lib/json.ts'
import { printable } from '../../lib/printable.ts'
import { readBounded } from '../../lib/read-bounded.ts'
import { reasonOf } from '../../lib/show.ts'
import { examples, someText, wholeNumber } from './arguments.ts'
import { CommandError, EXIT, failure } from './exit.ts'
import type { Io } from './io.ts'
import { jsonOption, print, printJson, remark } from './output.ts'

const ANSWER_WITHIN_MS = 10_000
/** Longer than the token and the claims that a request of 64 KiB can ask for. */
const MAX_ANSWER_BYTES = 1024 * 1024
const MAX_SECONDS = 31_536_000

/** Claims that are lists even with one value (RFC 9068 §2.2.3.1). */
const LISTS: readonly string[] = ['groups', 'roles', 'entitlements']

interface Flags {
  readonly sub: string
  readonly claim?: Claims
  readonly issuer?: string
  readonly audience?: readonly string[]
  readonly expiresIn?: number
  readonly signIn?: string
  readonly json?: boolean
}

/** A value of `--claim`, and whether it was written as plain text. */
interface Given {
  readonly value: unknown
  readonly isText: boolean
}

type Claims = ReadonlyMap<string, readonly Given[]>

const madeToken = z.looseObject({ token: z.string(), remark: z.string().optional() })
const refusal = z.object({ error: z.string() })

export function tokenCommand(io: Io): Command {
  return new Command('token').description('Make tokens for development').addCommand(createToken(io))
}

function createToken(io: Io): Command {
  const address =
    'address of the sign-in (default: "http://127.0.0.1:8788", or CHATKIT_MINT_SIGN_IN)'
  return new Command('create')
    .description(
      "Make a user's token for development: asks the sign-in of a running `npm run dev` or `npm run demo`, " +
        'and prints only the token. Its keys live as long as that process, and no other service accepts it.',
    )
    .requiredOption('--sub <sub>', 'subject of the token', someText)
    .option('--claim <name=value>', 'a claim of the token; may be repeated', withClaim)
    .option('--issuer <issuer>', "issuer of the token, one of the config's (default: the first)")
    .option(
      '--audience <audience>',
      "audience of the token (default: the config's first); may be repeated",
      withText,
    )
    .option(
      '--expires-in <seconds>',
      'life of the token (default: 3600, or max_token_age_seconds)',
      wholeNumber(1, MAX_SECONDS),
    )
    .option('--sign-in <url>', address, loopbackUrl)
    .addOption(jsonOption())
    .addHelpText('after', CLAIMS_HELP)
    .addHelpText(
      'after',
      examples(
        'token create --sub alice',
        'token create --sub alice --claim groups=support --claim plan=pro --claim level=3',
        `token create --sub alice --claim 'address={"country":"NZ"}' --claim 'account="0042"'`,
        'token create --sub ada --claim roles=chatkit-admin --claim roles=editor --json',
      ),
    )
    .action((flags: Flags) => create(io, flags))
}

const CLAIMS_HELP = `
Values of --claim are read as JSON if possible (3, true, null, ["a","b"],
{"a":1}, "3"), else as text. A name that is repeated makes a list. groups, roles
and entitlements are lists even with one value; --claim 'groups="support"' makes
it a text. alice, bob and ada have claims already, which --claim replaces.`

async function create(io: Io, flags: Flags): Promise<void> {
  const { signInUrl: configured, proxies } = readCliEnvironment(io.variables)
  const url = flags.signIn ?? configured
  const { fetch } = await import('undici')
  const { connectTo } = await import('../../lib/connections.ts')
  const dispatcher = connectTo(new URL(url).origin, proxies.proxyFor)
  try {
    const response = await fetch(`${url}/_embedded/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(requestOf(flags)),
      redirect: 'manual',
      signal: AbortSignal.any([io.signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
      dispatcher,
    }).catch((error) => {
      throw nobodyAt(url, error)
    })
    const { body } = response
    const bytes = body && (await readBounded(body, MAX_ANSWER_BYTES).catch(() => undefined))
    const answer = jsonOrUndefined(String(bytes))
    const refused = refusal.safeParse(answer).data
    if (refused) throw failure(`no token: ${printable(refused.error)}`)
    const made = madeToken.safeParse(answer).data
    if (!response.ok || made === undefined) throw notTheSignIn(url)
    await (flags.json ? printJson(io, made) : print(io, made.token))
    if (made.remark !== undefined) remark(io, printable(made.remark))
  } finally {
    await dispatcher.destroy()
  }
}

function requestOf({ sub, claim, issuer, audience, expiresIn }: Flags) {
  const claims = Array.from(claim ?? [], ([name, given]) => {
    const values = given.map(({ value }) => value)
    const isList = values.length > 1 || (LISTS.includes(name) && given[0]?.isText)
    return [name, isList ? values : values[0]]
  })
  return { sub, issuer, audience, claims: Object.fromEntries(claims), expires_in: expiresIn }
}

function withText(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, someText(text)]
}

/** Adds one `name=value`; values keep their order. */
function withClaim(text: string, earlier: Claims = new Map()): Claims {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Write a claim as name=value.')
  const name = text.slice(0, at)
  const value = read(text.slice(at + 1))
  return new Map([...earlier, [name, [...(earlier.get(name) ?? []), value]]])
}

function read(text: string): Given {
  const value = jsonOrUndefined(text)
  // Too large to be exact as a JSON number, so it is kept as text.
  const isLost = typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER
  return value === undefined || isLost ? { value: text, isText: true } : { value, isText: false }
}

function loopbackUrl(text: string): string {
  const url = signInUrl.safeParse(text).data
  if (url !== undefined) return url
  throw new InvalidArgumentError(
    'It must be an http URL of this machine, as npm run dev prints it.',
  )
}

function nobodyAt(url: string, error: unknown): CommandError {
  return new CommandError(
    EXIT.unavailable,
    `no answer from a sign-in at ${url} (${printable(reasonOf(error))}). Start one in another terminal with\n` +
      'npm run dev -- --config FILE (or npm run demo). If it runs on another port, give the address that it\n' +
      'printed as --sign-in or in CHATKIT_MINT_SIGN_IN.',
  )
}

function notTheSignIn(url: string): CommandError {
  return failure(
    `what answers at ${url} is not the sign-in of npm run dev; give its address as --sign-in or in\n` +
      'CHATKIT_MINT_SIGN_IN.',
  )
}
