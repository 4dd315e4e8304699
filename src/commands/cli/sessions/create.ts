// `sessions create`, at the ChatKit API or through this service.

import { Command } from 'commander'
import { z } from 'zod'
import { type ChatKit, UnusableSessionError } from '../../../chatkit/port.ts'
import { type CreateSessionParams, createSessionParams } from '../../../chatkit/wire/session.ts'
import { parseWorkflowName } from '../../../lib/ids.ts'
import { printObject } from '../answers.ts'
import { examples, someText, user } from '../arguments.ts'
import { type CommandError, failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { expectAnswer, type ServiceClient } from '../target/service-client.ts'
import { type TargetFlags, targetOf, targetOptions } from '../target/target.ts'
import { relaxedObject } from './relaxed-object.ts'

const { workflow, chatkit_configuration, expires_after, rate_limits } = createSessionParams.shape

type Workflow = CreateSessionParams['workflow']

interface CreateFlags extends TargetFlags {
  readonly user?: string
  readonly workflow?: string | Workflow
  readonly chatkitConfiguration?: CreateSessionParams['chatkit_configuration']
  readonly expiresAfter?: CreateSessionParams['expires_after']
  readonly rateLimits?: CreateSessionParams['rate_limits']
  readonly input?: object
}

export function createSession(io: Io): Command {
  const command = new Command('create')
    .description(
      "Create a session; the answer holds its client secret. With --url, it is for the token's own user",
    )
    .option('--user <user>', 'the ChatKit user of the session', user)
    .option(
      '--workflow <object>',
      "'{id, state_variables, tracing, version}'; with --url, the name of a workflow",
      nameOrObject,
    )
    .option(
      '--chatkit-configuration <object>',
      "'{automatic_thread_titling, file_upload, history}'",
      relaxedObject(chatkit_configuration),
    )
    .option(
      '--expires-after <object>',
      "'{anchor: created_at, seconds: 600}'",
      relaxedObject(expires_after),
    )
    .option(
      '--rate-limits <object>',
      "'{max_requests_per_1_minute: 10}'",
      relaxedObject(rate_limits),
    )
    .option(
      '--input <object>',
      'what a workflow of this service lets clients send (only with --url)',
      relaxedObject(z.record(z.string(), z.unknown())),
    )
    .addHelpText('after', EXAMPLES)
  return targetOptions(command).action(async (flags: CreateFlags) => {
    const target = await targetOf(io, flags)
    const answer =
      target.kind === 'hosted'
        ? await createHosted(io, target.chatkit, flags)
        : await createThroughService(target.service, flags)
    await printObject(io, flags, answer)
  })
}

const EXAMPLES = examples(
  'sessions create --user x --workflow \'{id: wf_68e5, state_variables: {plan: pro, account: "0042"}}\'',
  'sessions create --url https://chat.example.com --token-file token.txt --workflow helpdesk',
)

async function createHosted(io: Io, chatkit: ChatKit, flags: CreateFlags): Promise<object> {
  if (flags.input !== undefined) throw wrongUse('--input is for a workflow of this service.')
  const { user, workflow, chatkitConfiguration, expiresAfter, rateLimits } = flags
  if (user === undefined) throw wrongUse('required option --user <user> not specified')
  if (workflow === undefined) throw wrongUse("required option --workflow '{id: …}' not specified")
  const params = {
    user,
    workflow: typeof workflow === 'string' ? workflowObject(workflow) : workflow,
    chatkit_configuration: chatkitConfiguration,
    expires_after: expiresAfter,
    rate_limits: rateLimits,
  }
  try {
    const session = await chatkit.createSession(params, { signal: io.signal })
    return { ...session, client_secret: session.client_secret.reveal() }
  } catch (error) {
    if (error instanceof UnusableSessionError && error.sessionId !== undefined) {
      throw unusable(error, error.sessionId)
    }
    throw error
  }
}

/**
 * An object is parsed here already, so that one that a shell has cut into words is reported before the words left over.
 */
function nameOrObject(text: string): string | Workflow {
  return /^\s*'?\{/.test(text) ? workflowObject(text) : someText(text)
}

function workflowObject(text: string): Workflow {
  try {
    return relaxedObject(workflow)(text)
  } catch (error) {
    throw wrongUse(`--workflow: ${error instanceof Error ? error.message : 'not an object'}`)
  }
}

const minted = z.looseObject({ client_secret: z.string().min(1) })

/** Mints for the token's own user; the service accepts no other. */
async function createThroughService(service: ServiceClient, flags: CreateFlags): Promise<object> {
  for (const name of ['user', 'chatkitConfiguration', 'expiresAfter', 'rateLimits'] as const) {
    if (flags[name] === undefined) continue
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
    throw wrongUse(
      `${flag} cannot be chosen: the service takes it from the token and its config.\n` +
        'To ask the ChatKit API itself, unset CHATKIT_MINT_URL or give --api-key.',
    )
  }
  const { workflow: name } = flags
  if (typeof name === 'object' || (name !== undefined && parseWorkflowName(name) === undefined)) {
    throw wrongUse('--workflow: the service takes the name of a workflow, as in its config.')
  }
  const body = { workflow: name, input: flags.input }
  return expectAnswer(minted, await service.call('POST /v1/sessions', { body }))
}

function unusable(error: UnusableSessionError, sessionId: string): CommandError {
  return failure(
    `the answer cannot be used (${error.reason}), but there is a session now; end it with\n` +
      `sessions cancel --session-id ${sessionId}\ncode: ${error.code}`,
  )
}
