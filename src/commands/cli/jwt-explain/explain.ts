// Carries out `jwt explain`: reads a token from standard input and shows how the service would judge it.

import { createIssuers } from '../../../authenticate/issuers.ts'
import { DEFAULT_LIFE_SECONDS } from '../../../chatkit/wire/session.ts'
import { readRules } from '../../../config/setup.ts'
import { mintBody } from '../../../http/routes/sessions.ts'
import { connectToAny } from '../../../lib/connections.ts'
import { parseStrictJson, StrictJsonError } from '../../../lib/json.ts'
import { createLog } from '../../../lib/log.ts'
import { printable } from '../../../lib/printable.ts'
import type { AskedSession } from '../../../map/choose-workflow.ts'
import { failure, wrongUse } from '../exit.ts'
import { type Io, readInput } from '../io.ts'
import { print, printFields, printJson, printTable, remark, time } from '../output.ts'
import { type JwtReport, reportOnToken } from './report.ts'

const MAX_INPUT_BYTES = 64 * 1024
const MAX_JSON_DEPTH = 32
/** Advice when no token was given. */
export const TOKEN_WANTED =
  'Pipe the token in (chatkit-mint jwt explain < token.txt), or run the command without one and paste it.'

export interface ExplainOptions {
  readonly config?: string
  readonly workflow?: string
  readonly input?: string
  readonly offline?: boolean
  readonly json?: boolean
}

/**
 * Prints the report; mints nothing and opens no store.
 *
 * @throws {@link CommandError} when the token is refused, or an option or the input cannot be read
 */
export async function explain(io: Io, options: ExplainOptions): Promise<void> {
  const asked = askedOf(options)
  const { settings, secret, ...rules } = readRules(io.variables, options.config)
  const token = await readTokenFrom(io)
  const dispatcher = connectToAny(rules.proxies.proxyFor, { connections: 4 })
  try {
    const { now } = io
    const log = createLog({ level: 'silent' })
    const secrets = (name: string) => secret(name)?.()
    const issuers = createIssuers({ issuers: settings.issuers, secrets, dispatcher, log, now })
    const offline = options.offline === true
    const report = await reportOnToken(token, { settings, issuers, asked, offline, now })
    await (options.json ? printJson(io, report) : show(io, report, rules.configFile))
    if (report.accepted) return
    for (const line of rules.notes) remark(io, line)
    const { status, code, reason } = report
    throw failure(`refused: ${status} ${code}: ${printable(reason ?? '')}`)
  } finally {
    await dispatcher.destroy()
  }
}

function askedOf({ workflow, input }: ExplainOptions): AskedSession {
  const given = { workflow, input: input === undefined ? undefined : parseInput(input) }
  const body = mintBody.safeParse(given)
  if (body.success) return { workflow: body.data.workflow, input: body.data.input }
  const where = body.error.issues[0]?.path[0] === 'workflow' ? '--workflow' : '--input'
  const wanted =
    where === '--input'
      ? 'a JSON object of strings, numbers and booleans'
      : 'the name of a workflow'
  throw wrongUse(`${where}: must be ${wanted}`)
}

function parseInput(text: string): unknown {
  try {
    return parseStrictJson(text, MAX_JSON_DEPTH)
  } catch (error) {
    if (!(error instanceof StrictJsonError)) throw error
    throw wrongUse(`--input: ${error.message}`)
  }
}

/** Reads the token. The whole `Authorization` header is accepted too, as developer tools copy it. */
async function readTokenFrom(io: Io): Promise<string> {
  if (io.stdin.isTTY) remark(io, 'Paste the token, then Enter and Ctrl-D.')
  const tooLong = wrongUse('standard input is much longer than any token')
  const text = await readInput(io, MAX_INPUT_BYTES, tooLong)
  const token = text.trim().replace(/^(?:authorization:\s*)?bearer\s+/i, '')
  if (token === '') throw wrongUse(`there is no token on standard input. ${TOKEN_WANTED}`)
  return token
}

async function show(io: Io, report: JwtReport, configFile: string): Promise<void> {
  const { token, session } = report
  await printFields(io, [
    ['token', verdict(report)],
    ...(['reason', 'hint', 'also'] as const).flatMap((name) =>
      report[name] === null ? [] : [[name, report[name]] as const],
    ),
    ['issuer', token.issuer],
    ['key', `alg ${token.alg ?? '–'}, kid ${token.kid ?? '–'}, typ ${token.typ ?? '–'}`],
    ['signature', token.signature.replace('_', ' ')],
    ['subject', token.subject],
    ['claims', listed(token.claims)],
    ['issued', time(token.issued_at)],
    ['expires', time(token.expires_at)],
    ['user', report.user],
    ['workflow', report.workflow],
    ['state variables', report.state_variables],
    ['session lives', session && `${session.expires_after?.seconds ?? DEFAULT_LIFE_SECONDS} s`],
    ['admin', report.admin ? 'yes' : ['no', report.admin_reason].filter(Boolean).join(': ')],
    ['config', configFile],
  ])
  if (report.workflows.length === 0) return
  await print(io, '')
  await printTable(
    io,
    ['workflow', 'allowed', 'remark'],
    report.workflows.map(({ name, allowed, reason }) => [name, allowed ? 'yes' : 'no', reason]),
  )
  // Printed below the table, because a narrow terminal cuts its cells.
  for (const { name, rule } of report.workflows) {
    if (rule !== null) await print(io, printable(`${name}: ${rule}`))
  }
  await print(io, '\nNot asked here: blocks, logouts, limits.')
}

function listed(claims: JwtReport['token']['claims']): string | null {
  const texts = Object.entries(claims).map(([name, value]) => `${name} ${value}`)
  return texts.length === 0 ? null : texts.join(', ')
}

function verdict({ accepted, status, code, token }: JwtReport): string {
  if (!accepted) return `REFUSED, ${status} ${code}`
  return token.signature === 'valid' ? 'accepted' : 'accepted if its signature is valid'
}
