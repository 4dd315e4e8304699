// The tree of commands as a table, for completion scripts.

import type { Command, Option } from 'commander'

/** Words and flags that can follow at one place of the command line. */
export interface CompletionPlace {
  /** Commands that lead here, with spaces between; empty at the root. */
  readonly path: string
  /** Subcommands, and what a positional argument may be. */
  readonly words: readonly string[]
  readonly flags: readonly CompletionFlag[]
}

/** An option and what may follow it. */
export interface CompletionFlag {
  readonly name: string
  readonly description: string
  /** `none` takes no value; `file` a path; a list one of these; `any` nothing that could be guessed. */
  readonly value: 'none' | 'file' | 'any' | readonly string[]
}

/** Every place. */
export type CompletionTable = readonly CompletionPlace[]

/**
 * The tree of commands as a table. Aliases are left out: shells split words at colons.
 *
 * @param command - its root
 * @param path - of the root itself
 */
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
