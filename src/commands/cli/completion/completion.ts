// `completion bash|zsh|fish`: prints a script that completes commands and options.

import { Argument, Command } from 'commander'
import { examples } from '../arguments.ts'
import type { Io } from '../io.ts'
import { print } from '../output.ts'
import {
  bashCompletion,
  type CompletionTable,
  fishCompletion,
  tableOf,
  zshCompletion,
} from './scripts.ts'

const SCRIPTS: Readonly<Record<string, (table: CompletionTable) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
}

/**
 * `completion bash|zsh|fish`
 *
 * @param program - the tree to complete, this command included
 */
export function completionCommand(io: Io, program: Command): Command {
  return new Command('completion')
    .description('Print a script that completes commands and options in a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(SCRIPTS)))
    .addHelpText('after', HELP)
    .addHelpText('after', examples('completion bash'))
    .action(async (shell: string) => {
      await print(io, SCRIPTS[shell]?.(tableOf(program)) ?? '')
    })
}

// No alias for zsh, which puts the alias's text in its place before it completes.
const HELP = `
The word to complete after is chatkit-mint; in the repository make it one first:
  bash, zsh:  chatkit-mint() { npx chatkit-mint "$@"; }
  fish:       alias chatkit-mint 'npx chatkit-mint'
bash:  eval "$(chatkit-mint completion bash)"
zsh:   eval "$(chatkit-mint completion zsh)"       (after compinit)
fish:  chatkit-mint completion fish | source`
