// `--config`, for the commands that read the service's own config.

import { Option } from 'commander'
import { readServiceVariables } from '../../config/env.ts'
import { type Rules, readRules, readSetup, type Setup, SetupError } from '../../config/setup.ts'
import { scrub } from '../../lib/log.ts'
import { CommandError, EXIT } from './exit.ts'
import type { Io } from './io.ts'

/** `--config FILE`, for the commands that read the service's own config. */
export function configOption(): Option {
  return new Option('--config <file>', 'the config file, instead of CONFIG_FILE')
}

/**
 * Environment and config file as the service would start with them.
 *
 * @param io - environment
 * @param config - value of {@link configOption}
 * @throws `SetupError`
 */
export function setupOf(io: Io, config: string | undefined): Setup {
  return readSetup(io.variables, config)
}

/**
 * The config file's rules alone.
 *
 * @param io - environment
 * @param config - value of {@link configOption}
 * @throws {@link CommandError} with every problem
 */
export function rulesOf(io: Io, config: string | undefined): Rules {
  try {
    return readRules(io.variables, config)
  } catch (error) {
    if (error instanceof SetupError) throw new CommandError(EXIT.config, scrub(error.message))
    throw error
  }
}

/** The command's world, with the variables of `.env`: for commands that work in the service's place. */
export function withEnvFile(io: Io): Io {
  return io.variables === undefined ? { ...io, variables: readServiceVariables().variables } : io
}
