// Turns the tree of commands into a table, for completion scripts.

import type { Command, Option } from 'commander'

/** The words and flags that can follow a command. */
export interface CompletionPlace {
  /** Commands that lead here, with spaces between; empty at the root. */
  readonly path: string
  /** Subcommands, and the choices of positional arguments. */
  readonly words: readonly string[]
  readonly flags: readonly CompletionFlag[]
}

/** An option and the values that may follow it. */
export interface CompletionFlag {
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
