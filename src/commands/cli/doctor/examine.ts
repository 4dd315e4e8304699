// Carries out `doctor`: tries everything that the service depends on, and prints a finding for each.

import { createSessionParams } from '../../../chatkit/wire/session.ts'
import { describeUse } from '../../../config/env-file.ts'
import { authorityNotes } from '../../../config/environment-notes.ts'
import { MOST_TENANTS, type WorkflowSettings } from '../../../config/settings.ts'
import { readSetup, type Setup, SetupError } from '../../../config/setup.ts'
import { connectToAny } from '../../../lib/connections.ts'
import type { UserId } from '../../../lib/ids.ts'
import { printable } from '../../../lib/printable.ts'
import { scrub } from '../../../lib/secret.ts'
import { failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { print, printJson } from '../output.ts'
import { MOVE_ON } from './advice.ts'
import { type Finding, note, ok, wrong } from './finding.ts'
import { checkServers } from './servers.ts'
import { checkStore } from './store.ts'
import { checkIssuers, checkPublicUrl, describeProxies } from './surroundings.ts'
import { checkHosted } from './workflows.ts'

export interface DoctorOptions {
  readonly config?: string
  readonly workflow?: string
  readonly user: UserId
  /** Whether `user` is the default one, who has no threads. */
  readonly nobody: boolean
  readonly json?: boolean
}

const AUTHORITY_ADVICE =
  'check that the path is absolute, that this user may read the file, and that it is PEM (-----BEGIN CERTIFICATE-----)'

/**
 * Prints a finding for each thing that was tried.
 *
 * @throws {@link CommandError} when something does not work
 */
export async function examine(io: Io, options: DoctorOptions): Promise<void> {
  if (!createSessionParams.shape.user.safeParse(options.user).success) {
    throw wrongUse('--user: must have 1 to 512 characters')
  }
  const findings: Finding[] = []
  for await (const finding of diagnose(io, options)) {
    findings.push(finding)
    if (!options.json) await show(io, finding)
  }
  const bad = findings.filter(({ status }) => status === 'wrong').length
  if (options.json) await printJson(io, { ok: bad === 0, checks: findings })
  if (bad > 0) throw failure(`${bad} of ${findings.length} checks failed`)
}

async function* diagnose(io: Io, options: DoctorOptions): AsyncGenerator<Finding> {
  yield ok('node', process.versions.node)
  const setup = readOrFindings(io, options.config)
  if (Array.isArray(setup)) {
    yield* setup
    return
  }
  yield ok('config', `${setup.environment.configFile} and the environment are right`)
  if (setup.envFile) yield ok('.env', describeUse(setup.envFile))
  yield* describeProxies(setup)
  const unread = authorityNotes(setup.environment)
  yield* unread.map((line) => wrong('authorities', line, AUTHORITY_ADVICE))
  const workflows = chosen(setup, options.workflow)
  const { proxyFor } = setup.environment.proxies
  const dispatcher = connectToAny(proxyFor, { connections: MOST_TENANTS, allowH2: false })
  const { findings, registry } = await checkStore(setup.environment.store)
  try {
    yield* findings
    const context = { dispatcher, now: io.now }
    yield* await checkIssuers(setup, context)
    yield* await checkPublicUrl(setup.environment.publicUrl, dispatcher)
    const checks = { ...setup, ...context, workflows, user: options.user, signal: io.signal }
    yield* await checkHosted(checks)
    yield* hostedNote(workflows)
    yield* await checkServers({ ...checks, registry, nobody: options.nobody })
  } finally {
    await registry?.close()
    await dispatcher.destroy()
  }
}

function readOrFindings(io: Io, config: string | undefined): Setup | Finding[] {
  try {
    return readSetup(io.variables, config)
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    const advice = 'the service does not start with this; nothing else was looked at'
    return error.problems.map((problem) => wrong('config', scrub(problem), advice))
  }
}

function chosen({ settings }: Setup, name: string | undefined): readonly WorkflowSettings[] {
  const workflows = settings.workflows.filter((one) => name === undefined || one.name === name)
  if (workflows.length > 0) return workflows
  const known = settings.workflows.map((one) => one.name).join(', ')
  throw wrongUse(`--workflow: the config has ${known}`)
}

function hostedNote(workflows: readonly WorkflowSettings[]): Finding[] {
  const hosted = workflows.filter(({ kind }) => kind === 'hosted').map(({ name }) => name)
  return hosted.length === 0 ? [] : [note('hosted workflows', hosted.join(', '), MOVE_ON)]
}

async function show(io: Io, { check, status, message, advice }: Finding): Promise<void> {
  const mark = (status === 'wrong' ? 'WRONG' : status).padEnd(6)
  await print(io, `${mark}${printable(`${check}: ${message}`)}`)
  if (advice !== undefined) await print(io, `      ${printable(advice)}`)
}
