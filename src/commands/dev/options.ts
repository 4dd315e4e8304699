// Reads the options of `npm run dev`.

import { Command, InvalidArgumentError } from 'commander'
import { isObject, jsonOrUndefined } from '../../lib/json.ts'
import { EXIT } from '../cli/exit.ts'

/** Claims of the people at the sign-in, by name. */
type People = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** {@link readOptions} */
export interface DevOptions {
  /** Instead of `CONFIG_FILE`. */
  readonly config?: string
  /** People besides alice, bob and ada, or instead of them. */
  readonly account?: People
}

/**
 * Reads the command line, or ends the process with a message, or after `--help`.
 *
 * @param words - without node and script
 */
export function readOptions(words: readonly string[]): DevOptions {
  const command = new Command('npm run dev --')
    .description(
      'Runs your config with a sign-in that asks nobody for a password, on this machine alone.',
    )
    .option('--config <file>', 'the config file, instead of CONFIG_FILE')
    .option('--account <name=claims>', 'somebody to sign in as; may be repeated', withAccount)
    .addHelpText(
      'after',
      `
Examples:
  npm run dev -- --config config/local.yaml
  npm run dev -- --account 'eve={"permissions":["chat:admin"]}'

Environment: PORT, STORE_URL (default here: memory:), OPENAI_API_KEY (without it hosted workflows are the
embedded ChatKit API's), LOG_LEVEL, PUBLIC_URL of this machine. It reads no .env.`,
    )
    .showHelpAfterError('Write: npm run dev -- --config FILE')
    .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.ok : EXIT.scriptUsage))
  return command.parse(words, { from: 'user' }).opts<DevOptions>()
}

function withAccount(text: string, earlier: People = {}): People {
  const at = text.indexOf('=')
  const claims = at > 0 ? jsonOrUndefined(text.slice(at + 1)) : undefined
  if (isObject(claims)) return { ...earlier, [text.slice(0, at)]: claims }
  throw new InvalidArgumentError(`Write name={…}, with claims as a JSON object.`)
}
