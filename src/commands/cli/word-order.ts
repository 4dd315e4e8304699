// Puts the words of a command line into the order that commander expects: commands first, then the rest. Options may
// therefore come anywhere. With commander's own means, options of the program, every command would accept every one.

import type { Command, Option } from 'commander'
import { wrongUse } from './exit.ts'

/**
 * The commands first, and the other words in their order. Unknown words stay in place, and commander refuses them.
 *
 * @throws {@link CommandError} when an option stands in place of an option's value
 */
export function commandsFirst(program: Command, words: readonly string[]): readonly string[] {
  const options = optionsOf(program)
  const commands: string[] = []
  const rest: string[] = []
  let place: Command | undefined = program
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    if (word === '--') return [...commands, ...rest, ...words.slice(at)]
    if (word.startsWith('-')) {
      rest.push(word)
      const option = options.get(word)
      if (option?.required !== true || at + 1 === words.length) continue
      at += 1
      rest.push(argumentOf(option, words[at] ?? ''))
      continue
    }
    place = place && childOf(place, word)
    if (place === undefined) rest.push(word)
    else commands.push(word)
  }
  return [...commands, ...rest]
}

/** All options by flag. An option takes a value under every command, or under none. */
function optionsOf(command: Command): Map<string, Option> {
  const own = command.options.flatMap((option) =>
    [option.long, option.short].flatMap((flag) => (flag ? [[flag, option] as const] : [])),
  )
  return new Map([...command.commands.flatMap((child) => [...optionsOf(child)]), ...own])
}

function childOf(command: Command, word: string): Command | undefined {
  return command.commands.find((child) => child.name() === word || child.aliases().includes(word))
}

/** `--user --json` must not mint for a user named `--json`. */
function argumentOf({ flags, long }: Option, word: string): string {
  if (!word.startsWith('--')) return word
  throw wrongUse(
    `option '${flags}' argument missing. A value that begins with -- is written ${long}=--…`,
  )
}
