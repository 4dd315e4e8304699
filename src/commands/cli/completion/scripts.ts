// Writes the completion scripts for bash, zsh and fish, from a table of all commands.

import type { Command, Option } from 'commander'

/** The words and flags that can follow a command. */
interface CompletionPlace {
  /** Commands that lead here, with spaces between; empty at the root. */
  readonly path: string
  /** Subcommands, and the choices of positional arguments. */
  readonly words: readonly string[]
  readonly flags: readonly CompletionFlag[]
}

/** An option and the values that may follow it. */
interface CompletionFlag {
  readonly name: string
  readonly description: string
  /** `none`: no value. `file`: a path. A list: one of these. `any`: a value that cannot be completed. */
  readonly value: 'none' | 'file' | 'any' | readonly string[]
}

/** One row for each command. */
export type CompletionTable = readonly CompletionPlace[]

/** The tree of commands as a table. Aliases are left out: shells split words at colons. */
export function tableOf(command: Command, path = ''): CompletionTable {
  const children = command.commands
  const choices = command.registeredArguments.flatMap((argument) => argument.argChoices ?? [])
  const place = {
    path,
    words: [...children.map((child) => child.name()), ...choices],
    flags: [...command.options.map(flagOf), HELP],
  }
  const below = children.flatMap((child) => tableOf(child, `${path} ${child.name()}`.trim()))
  return [place, ...below]
}

const HELP: CompletionFlag = { name: '--help', description: 'display help', value: 'none' }

function flagOf(option: Option): CompletionFlag {
  const { description } = option
  return { name: option.long ?? option.flags, description, value: whatFollows(option) }
}

function whatFollows(option: Option): CompletionFlag['value'] {
  if (!option.required && !option.optional) return 'none'
  if (option.argChoices !== undefined) return option.argChoices
  return /<(?:file|path)>/i.test(option.flags) ? 'file' : 'any'
}

// Names of commands, flags and choices need no quoting, because we choose them: letters, digits and dashes. A
// flag takes the same values under every command.

/**
 * For bash 3.2 and later.
 *
 * @param table - what can follow where
 */
export function bashCompletion(table: CompletionTable): string {
  return `# bash completion for chatkit-mint
_chatkit_mint() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local place="" word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${COMP_WORDS[i-1]}" in ${takers(table).join('|')}) continue ;; esac
    case "$place $word" in
${indent(4, wayCases(table))}
    esac
  done
  case "$previous" in
${indent(4, valueCases(table))}
  esac
  case "$place" in
${indent(
  4,
  table.map(
    (place) =>
      `"${place.path}") COMPREPLY=($(compgen -W "${followers(place).join(' ')}" -- "$current")) ;;`,
  ),
)}
  esac
}
complete -F _chatkit_mint chatkit-mint`
}

/** For zsh, after `compinit`: zsh itself runs scripts that are written for bash. */
export function zshCompletion(table: CompletionTable): string {
  return `autoload -Uz bashcompinit && bashcompinit\n${bashCompletion(table)}`
}

/**
 * For fish 3 and later.
 *
 * @param table - what can follow where
 */
export function fishCompletion(table: CompletionTable): string {
  const lines = table.flatMap((place) => {
    const condition = `-n '__chatkit_mint_at "${place.path}"'`
    const start = `complete -c chatkit-mint ${condition}`
    const words = place.words.length === 0 ? [] : [`${start} -a '${place.words.join(' ')}'`]
    return [...words, ...place.flags.map((flag) => `${start} ${fishFlag(flag)}`)]
  })
  return `# fish completion for chatkit-mint
complete -c chatkit-mint -f
function __chatkit_mint_at
  set -l place
  set -l previous
  for word in (commandline -opc)[2..]
    contains -- "$previous" ${takers(table).join(' ')}; or switch "$place $word"
${indent(
  6,
  table
    .filter(({ path }) => path !== '')
    .map(
      ({ path }) => `case '${path.includes(' ') ? path : ` ${path}`}'\n        set place '${path}'`,
    ),
)}
    end
    set previous $word
  end
  test "$place" = "$argv[1]"
end
${lines.join('\n')}`
}

function fishFlag({ name, description, value }: CompletionFlag): string {
  const text = description.replace(/[^\w ,.;:()-]/g, '')
  const base = `-l ${name.slice(2)} -d '${text}'`
  if (value === 'none') return base
  if (value === 'file') return `${base} -r -F`
  return value === 'any' ? `${base} -x` : `${base} -x -a '${value.join(' ')}'`
}

function bashValues(value: CompletionFlag['value']): string {
  if (value === 'file') return 'COMPREPLY=($(compgen -f -- "$current")); return'
  if (typeof value === 'string') return 'return'
  return `COMPREPLY=($(compgen -W "${value.join(' ')}" -- "$current")); return`
}

/** `case` branches that step into a subcommand. */
function wayCases(table: CompletionTable): string[] {
  return table
    .filter(({ path }) => path !== '')
    .map((place) => {
      const above = place.path.split(' ').slice(0, -1).join(' ')
      const word = place.path.split(' ').at(-1)
      return `"${above} ${word}") place="${place.path}" ;;`
    })
}

/** `case` branches that complete the value after a flag, under any command. */
function valueCases(table: CompletionTable): string[] {
  return [...flagsWithValue(table)].map(([name, value]) => `${name}) ${bashValues(value)} ;;`)
}

/** Flags whose next word is a value, even if it looks like a command. */
function takers(table: CompletionTable): string[] {
  return [...flagsWithValue(table).keys()]
}

function flagsWithValue(table: CompletionTable): ReadonlyMap<string, CompletionFlag['value']> {
  const flags = table.flatMap((place) => place.flags).filter(({ value }) => value !== 'none')
  return new Map(flags.map(({ name, value }) => [name, value]))
}

function followers({ words, flags }: CompletionPlace): string[] {
  return [...words, ...flags.map(({ name }) => name)]
}

function indent(by: number, lines: readonly string[]): string {
  return lines.map((line) => ' '.repeat(by) + line).join('\n')
}
