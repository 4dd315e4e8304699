// The tree of commands, and how a command line is run.

import { Command } from 'commander'
import { VERSION } from '../../lib/version.ts'
import { auditCommand } from './audit/audit.ts'
import { listBlocks } from './blocks.ts'
import { completionCommand } from './completion/completion.ts'
import { doctorCommand } from './doctor/doctor.ts'
import { EXIT, EXIT_MEANINGS, type ExitCode } from './exit.ts'
import type { Io } from './io.ts'
import { jwtExplainCommand } from './jwt-explain/command.ts'
import { keysGenerateCommand } from './keys-generate.ts'
import { loginCommand } from './login/login.ts'
import { logoutCommand } from './login/logout.ts'
import { reportError } from './report-error.ts'
import { sessionsCommand } from './sessions/sessions.ts'
import { threadsCommand } from './threads/threads.ts'
import { tokenCreateCommand } from './token-create.ts'
import { usersCommand } from './users/users.ts'
import { commandsFirst } from './word-order.ts'

/**
 * The tree of commands.
 *
 * @param io - what they act on
 */
export function createProgram(io: Io): Command {
  const program = new Command('chatkit-mint')
    .description('For operators of chatkit-mint: this service, or the ChatKit API itself.')
    .version(VERSION, '--version', 'print the version')
    .addHelpText('after', ENVIRONMENT_HELP)
    .addHelpText('after', EXIT_HELP)
    .addCommand(sessionsCommand(io))
    .addCommand(threadsCommand(io))
    .addCommand(usersCommand(io))
    .addCommand(
      group(
        'blocks',
        'Users who get no new session (needs --url and an admin token)',
        listBlocks(io),
      ),
    )
    .addCommand(auditCommand(io))
    .addCommand(group('jwt', 'Users’ tokens', jwtExplainCommand(io)))
    .addCommand(group('token', 'Tokens for development', tokenCreateCommand(io)))
    .addCommand(loginCommand(io))
    .addCommand(logoutCommand(io))
    .addCommand(doctorCommand(io))
    .addCommand(
      group('keys', 'Signing keys, secrets, API keys for backends', keysGenerateCommand(io)),
    )
  program.addCommand(completionCommand(io, program))
  connect(program, io)
  return program
}

/**
 * Runs a command line to its end. Never throws: what goes wrong is on standard error.
 *
 * @param words - without node and script
 * @returns the exit code, see {@link EXIT}
 */
export async function runCli(words: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const program = createProgram(io)
    await program.parseAsync(commandsFirst(program, words), { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // Whatever an interrupted call threw: it was interrupted.
    return reportError(io, io.signal.aborted ? io.signal.reason : error)
  }
}

function group(name: string, description: string, ...commands: readonly Command[]): Command {
  const parent = new Command(name).description(description)
  for (const command of commands) parent.addCommand(command)
  return parent
}

/** Commander hands settings down only to commands that it makes itself. */
function connect(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => write(withoutSecrets(text)),
    getOutHelpWidth: () => io.stdout.columns ?? 100,
    getErrHelpWidth: () => io.stderr.columns ?? 100,
    // Commander decides by FORCE_COLOR too; its help has no colour of its own.
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
  for (const child of command.commands) connect(child, io)
}

/** Commander quotes what it does not know, and that may be a mistyped `--api-key=sk-…`. */
function withoutSecrets(text: string): string {
  return text
    .replace(/^error: /, 'chatkit-mint: ')
    .replace(/(--[\w-]+=)[^']*/, '$1…')
    .replace(/\b(?:sk-|ek_|eyJ)[\w.-]+/g, '[redacted]')
}

const ENVIRONMENT_HELP = `
Whom it asks:
  this service, when CHATKIT_MINT_URL is set or --url is given, with an admin's token from
  CHATKIT_MINT_TOKEN, CHATKIT_MINT_TOKEN_FILE or --token-file; what these leave out comes from the
  profile that chatkit-mint login made (--profile, CHATKIT_MINT_PROFILE). Otherwise the ChatKit API at
  OPENAI_BASE_URL, with OPENAI_API_KEY or OPENAI_API_KEY_FILE (OPENAI_ORG_ID, OPENAI_PROJECT_ID).
  --api-key and --base-url ask the ChatKit API in any case; a service with api_keys in its config serves
  it, too: --base-url https://chat.example.com/v1. NO_COLOR is respected, and so are HTTPS_PROXY,
  HTTP_PROXY and NO_PROXY.

Options may stand before the command, too. A value that begins with -- is written --option=--value.`

const EXIT_HELP = [
  '',
  'Exit codes:',
  ...EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`),
].join('\n')
