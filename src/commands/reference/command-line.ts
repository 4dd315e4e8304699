// Makes the page about the command line: every command with its arguments, options and examples, as commander
// knows them.

import type { Command } from 'commander'
import { EXIT_MEANINGS } from '../cli/exit.ts'
import { createProgram } from '../cli/program.ts'
import { codeRows, table } from './table.ts'

/** The commands that npm runs in the folder of the service. */
export const NPM_COMMANDS: Readonly<Record<string, string>> = {
  'npm run demo':
    'Everything on one machine, without a key or network: the service, a sign-in, a ChatKit server and a ChatKit API. It mints one session of a self-hosted workflow and prints lines of `curl` to paste. Runs until Ctrl-C.',
  'npm run dev -- --config FILE':
    'The service with a config file of your own and a sign-in that asks nobody for a password, on this machine alone. It prints lines of `curl` to paste; `token create` makes tokens for it. Runs until Ctrl-C.',
  'npm start':
    'The service. It reads the [environment](environment.md) and the [config file](configuration.md), and ends with 78 when either is wrong.',
  'npm run check-config -- FILE':
    'Checks a config file offline: exit code 0, or 78 with each error as `file:line: key: what is wrong`. Names what `npm start` will need besides.',
  'npm run chatkit-api':
    'The embedded ChatKit API alone, on loopback (`PORT`, default 8789), for local development. Memory only.',
}

const INTRODUCTION = `# Command line

For those who run the service, and for its admins: every command, with its arguments, options and exit codes.

## In the folder of the service

${table(['command', 'what it does'], codeRows(Object.entries(NPM_COMMANDS)))}`

/** The text that says how to start a command of this page. */
const WHERE =
  'In a clone, in its folder: `npx chatkit-mint …`, for each `chatkit-mint` below. In the image it is on the path: `docker exec CONTAINER chatkit-mint …`. ' +
  'In any other folder npx would ask the npm registry for a package of that name, which is not this one.'

/** An option of at least this many commands is described only once, for all of them. */
const MANY = 5

/** @returns the page, as Markdown */
export async function commandLinePage(): Promise<string> {
  const program = await createProgram({
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    variables: {},
    now: Date.now,
    signal: new AbortController().signal,
  })
  const common = commonOptions(program)
  const parts = [
    INTRODUCTION,
    '## chatkit-mint',
    program.description(),
    WHERE,
    ...moreHelp(program).map(fence),
    '## Options of most commands',
    table(['option', 'meaning'], codeRows(common)),
    ...program.commands.flatMap((command) => describe(command, { path: 'chatkit-mint', common })),
    '## Exit codes',
    table(
      ['code', 'meaning'],
      EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning]),
    ),
  ]
  return `${parts.join('\n\n')}\n`
}

/** Options that many commands share, with their texts. */
function commonOptions(program: Command): ReadonlyMap<string, string> {
  const lines = leavesOf(program).flatMap((command) => optionsOf(command))
  const all = Map.groupBy(lines, (line) => line.join('\n'))
  const common = [...all.values()].filter(({ length }) => length >= MANY)
  return new Map(common.flatMap(([line]) => (line === undefined ? [] : [line])))
}

function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}

interface Place {
  readonly path: string
  readonly common: ReadonlyMap<string, string>
}

/** Describes a command, and below it its subcommands. */
function describe(command: Command, { path, common }: Place): string[] {
  const name = `${path} ${command.name()}`
  const head = [`${path.includes(' ') ? '###' : '##'} ${name}`, sentence(command.description())]
  if (command.commands.length > 0) {
    return [...head, ...command.commands.flatMap((one) => describe(one, { path: name, common }))]
  }
  const options = optionsOf(command)
  const own = options.filter(([term, text]) => common.get(term) !== text)
  const also = options.filter((line) => !own.includes(line)).map(([term]) => `\`${term}\``)
  const rows = codeRows([...argumentsOf(command), ...own])
  return [
    ...head,
    fence(`Usage: ${name} ${command.usage()}`),
    ...(rows.length > 0 ? [table(['argument or option', 'meaning'], rows)] : []),
    ...(also.length > 0 ? [`As most commands: ${also.join(', ')}.`] : []),
    ...moreHelp(command).map(fence),
  ]
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`.replace(/[^.]$/, '$&.')
}

type Line = readonly [term: string, text: string]

function argumentsOf(command: Command): readonly Line[] {
  const help = command.createHelp()
  return help
    .visibleArguments(command)
    .map((one) => [help.argumentTerm(one), help.argumentDescription(one)])
}

function optionsOf(command: Command): readonly Line[] {
  const help = command.createHelp()
  return help
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help')
    .map((one) => [help.optionTerm(one), help.optionDescription(one)])
}

/** The text below the options in `--help`, without the exit codes, which have a table of their own. */
function moreHelp(command: Command): string[] {
  const written: string[] = []
  command.configureOutput({ writeOut: (text) => written.push(text), getOutHelpWidth: () => 100 })
  command.outputHelp()
  const more = written.join('').slice(command.helpInformation().length)
  const text = more.split(/^Exit codes:$/m)[0]?.trim()
  return text ? [text] : []
}

function fence(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``
}
