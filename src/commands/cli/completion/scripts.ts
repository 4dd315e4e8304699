// Writes the completion scripts for bash, zsh and fish.

import type { CompletionFlag, CompletionPlace, CompletionTable } from './table.ts'

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
