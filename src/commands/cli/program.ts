// Builds the tree of commands, and runs a command line.

import { Command, CommanderError } from 'commander'
import { printable } from '../../lib/printable.ts'
import { VERSION } from '../../lib/version.ts'
import { EXIT, EXIT_MEANINGS, type ExitCode } from './exit.ts'
import type { Io } from './io.ts'
import { commandsFirst } from './word-order.ts'

/**
 * The top commands, by the words that call them, in the order of `--help`. The files here load only definitions of
 * commands at once. The code that carries a command out (config, connections, keys) is loaded when it is called.
 */
const COMMANDS: Readonly<Record<string, (io: Io, program: Command) => Promise<Command>>> = {
  'sessions|beta:chatkit:sessions': async (io) =>
    (await import('./sessions/sessions.ts')).sessionsCommand(io),
  'threads|beta:chatkit:threads': async (io) =>
    (await import('./threads/threads.ts')).threadsCommand(io),
  users: async (io) => (await import('./users/users.ts')).usersCommand(io),
  blocks: async (io) => (await import('./blocks.ts')).blocksCommand(io),
  audit: async (io) => (await import('./audit/audit.ts')).auditCommand(io),
  jwt: async (io) => (await import('./jwt-explain/command.ts')).jwtCommand(io),
  token: async (io) => (await import('./token-create.ts')).tokenCommand(io),
  login: async (io) => (await import('./login/login.ts')).loginCommand(io),
  logout: async (io) => (await import('./login/logout.ts')).logoutCommand(io),
  doctor: async (io) => (await import('./doctor/doctor.ts')).doctorCommand(io),
  keys: async (io) => (await import('./keys-generate.ts')).keysCommand(io),
  completion: async (io, program) =>
    (await import('./completion/completion.ts')).completionCommand(io, program),
}

/**
 * The tree of commands.
 *
 * @param first - first word of the command line: if it is a command, only that one is loaded; for `--version`,
 * none
 */
export async function createProgram(io: Io, first?: string): Promise<Command> {
  const program = new Command('chatkit-mint')
    .description('For operators of chatkit-mint: calls this service, or the ChatKit API itself.')
    .version(VERSION, '--version', 'print the version')
    .addHelpText('after', ENVIRONMENT_HELP)
    .addHelpText('after', EXIT_HELP)
  const load = (words: readonly string[]) =>
    Promise.all(words.map((word) => COMMANDS[word]?.(io, program) ?? []))
  for (const command of (await load(wordsToLoad(first))).flat()) program.addCommand(command)
  connect(program, io)
  return program
}

/** All commands when an option comes first, because only the whole tree knows whether the next word is its value. */
function wordsToLoad(first: string | undefined): readonly string[] {
  if (first === '--version') return []
  const all = Object.keys(COMMANDS)
  const named = all.filter((words) => words.split('|').includes(first ?? ''))
  // A completion script covers every command.
  return named.length === 0 || first === 'completion' ? all : named
}

/**
 * Runs a command line to its end. It never throws; errors are printed on standard error.
 *
 * @param words - without node and script
 * @returns the exit code, see {@link EXIT}
 */
export async function runCli(words: readonly string[], io: Io): Promise<ExitCode> {
  try {
    const program = await createProgram(io, words[0])
    await program.parseAsync(commandsFirst(program, words), { from: 'user' })
    return EXIT.ok
  } catch (error) {
    // After an interrupt, only the interrupt is reported, whatever the call threw.
    const thrown = io.signal.aborted ? io.signal.reason : error
    // Commander has already printed the error, or the requested help.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? EXIT.ok : EXIT.usage
    return (await import('./report-error.ts')).reportError(io, thrown)
  }
}

/** Sets each command by hand, because commander passes settings only to commands that it creates itself. */
function connect(command: Command, io: Io): void {
  command.exitOverride().configureOutput({
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: (text, write) => {
      // Commander quotes what it refuses, and an id may be a stranger's.
      write(withoutSecrets(withChoices(text.replace(/[^\n]+/g, printable), command)))
    },
    getOutHelpWidth: () => io.stdout.columns ?? 100,
    getErrHelpWidth: () => io.stderr.columns ?? 100,
    // Without this, commander would follow FORCE_COLOR; its help has no colours anyway.
    getOutHasColors: () => false,
    getErrHasColors: () => false,
  })
  for (const child of command.commands) connect(child, io)
}

/**
 * Names what there is. The most similar command may be the opposite of what was meant: `users block` is like
 * `users unblock`.
 */
function withChoices(text: string, command: Command): string {
  const help = command.createHelp()
  if (/^error: unknown command /.test(text)) {
    const names = help.visibleCommands(command).map((child) => child.name())
    return text.replace(/\n.*/s, `; known here: ${names.join(', ')}\n`)
  }
  // An option before the command may be one of a command, so the program's own two would mislead.
  if (command.parent === null || !/^error: unknown option .*\n$/.test(text)) return text
  const flags = help.visibleOptions(command).map(({ long, short }) => long ?? short)
  return text.replace(/\n$/, `; known here: ${flags.join(', ')}\n`)
}

/** Commander quotes unknown words, and one may be a mistyped `--api-key=sk-…`. */
function withoutSecrets(text: string): string {
  return text
    .replace(/^error: unknown option '--token'.*/, `$&\n${TOKEN_HINT}`)
    .replace(/^error: /, 'chatkit-mint: ')
    .replace('command-argument value', 'value')
    .replace(/(--[\w-]+=)[^']*/, '$1…')
    .replace(/\b(?:sk-|ek_|eyJ)[\w.-]+/g, '[redacted]')
}

/** A token as an option would be in the shell's history and in the list of processes. */
const TOKEN_HINT =
  'Tokens are no options: set CHATKIT_MINT_TOKEN, or give --token-file (- for standard input). jwt explain reads standard input.'

const ENVIRONMENT_HELP = `
Where calls go:
  this service, when CHATKIT_MINT_URL is set or --url is given, with an admin's
  token from CHATKIT_MINT_TOKEN, CHATKIT_MINT_TOKEN_FILE or --token-file; what
  these leave out comes from the profile that chatkit-mint login made
  (--profile, CHATKIT_MINT_PROFILE). Otherwise the ChatKit API at
  OPENAI_BASE_URL, with OPENAI_API_KEY or OPENAI_API_KEY_FILE (OPENAI_ORG_ID,
  OPENAI_PROJECT_ID). --api-key and --base-url ask the ChatKit API in any case;
  a service with api_keys in its config serves it, too: --base-url
  https://chat.example.com/v1. NO_COLOR is respected, and so are HTTPS_PROXY,
  HTTP_PROXY and NO_PROXY.

Options may stand before the command, too. A value that begins with -- is
written --option=--value.`

const EXIT_HELP = [
  '',
  'Exit codes:',
  ...EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padEnd(4)} ${meaning}`),
].join('\n')
