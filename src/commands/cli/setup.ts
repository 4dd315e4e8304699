// Reads the service's own config, for the commands that work with it.

import { EnvironmentError, readServiceVariables } from '../../config/env.ts'
import { type Rules, readRules, SetupError } from '../../config/setup.ts'
import { scrub } from '../../lib/secret.ts'
import { misconfigured } from './exit.ts'
import type { Io } from './io.ts'

/**
 * The rules of the config file, without the environment of a start.
 *
 * @throws {@link CommandError} with every problem
 */
export function rulesOf(io: Io, config: string | undefined): Rules {
  try {
    return readRules(io.variables, config)
  } catch (error) {
    if (error instanceof SetupError) throw misconfigured(scrub(error.message))
    throw error
  }
}

/** Adds the variables of `.env`, for commands that use the service's own store. */
export function withEnvFile(io: Io): Io {
  if (io.variables !== undefined) return io
  const { variables, problems } = readServiceVariables()
  if (problems.length > 0) throw new EnvironmentError(problems)
  return { ...io, variables }
}
