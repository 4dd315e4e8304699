// Defines the command `jwt explain`.

import { Command } from 'commander'
import { configOption, examples } from '../arguments.ts'
import { wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { jsonOption } from '../output.ts'
import type { ExplainOptions } from './explain.ts'

/** `jwt explain`: shows how the service would judge a token. It mints nothing and opens no store. */
export function jwtCommand(io: Io): Command {
  return new Command('jwt').description('Explain users’ tokens').addCommand(explainToken(io))
}

function explainToken(io: Io): Command {
  return new Command('explain')
    .description('Show what a token on standard input maps to, or which check refuses it')
    .addOption(configOption())
    .option('--workflow <name>', 'the workflow that a client would ask for')
    .option('--input <json>', "a client's input, as a JSON object")
    .option('--offline', 'fetch no keys: check signatures only with keys in the config')
    .addOption(jsonOption())
    .addHelpText('after', examples('jwt explain --workflow helpdesk < token.txt'))
    .allowExcessArguments()
    .action(async (options: ExplainOptions, { args }: Command) => {
      const { explain, TOKEN_WANTED } = await import('./explain.ts')
      // A token among the words would stay in the shell's history.
      if (args.length > 0) throw wrongUse(`jwt explain takes no words. ${TOKEN_WANTED}`)
      await explain(io, options)
    })
}
