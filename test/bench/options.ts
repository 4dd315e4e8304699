import { parseArgs } from 'node:util'

/** The parts of a run, in the order in which they run. */
export const PARTS = [
  'cpu',
  'work',
  'algorithms',
  'latency',
  'rate',
  'overload',
  'start',
  'memory',
  'store-size',
  'redis',
  'frames',
  'floods',
  'install-size',
] as const
export type PartName = (typeof PARTS)[number]

export interface Options {
  readonly only: readonly PartName[]
  /** Names of sides; all when empty. */
  readonly sides: readonly string[]
  /** Turns in which all sides are measured one after the other. */
  readonly rounds: number
  /** Multiplies the time that each measurement takes. */
  readonly scale: number
  /** The rate for a whole minute, and other things that take longer than five. */
  readonly long: boolean
  readonly quick: boolean
  /** Where the figures go as JSON. */
  readonly json: string | undefined
}

/** A command line that cannot be understood. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Text of `--help`. */
export const USAGE = `npm run bench -- [--quick | --long] [--only=PART,…] [--sides=SIDE,…] [--rounds=N] [--scale=X] [--json FILE]

  parts   ${PARTS.join(', ')}
  sides   limit, limit-jose, hono, express, fastapi, memory, sqlite, redis
  --quick fewer and shorter rounds: under a minute, for a first look
  --long  the rate for a minute, five minutes of memory
  --scale multiplies the time of each measurement
`

/**
 * @param commandLine - after the script's name
 * @throws {@link UsageError}
 */
export function readOptions(commandLine: readonly string[]): Options {
  const values = parsed(commandLine)
  const quick = values.quick === true
  return {
    only: values.only === undefined ? PARTS : values.only.split(',').map(partName),
    sides: values.sides?.split(',') ?? [],
    rounds: positive('rounds', values.rounds) ?? (quick ? 2 : 5),
    scale: positive('scale', values.scale) ?? (quick ? 0.25 : 1),
    long: values.long === true,
    quick,
    json: values.json,
  }
}

function parsed(commandLine: readonly string[]) {
  try {
    return parseArgs({
      args: [...commandLine],
      options: {
        quick: { type: 'boolean' },
        long: { type: 'boolean' },
        only: { type: 'string' },
        sides: { type: 'string' },
        rounds: { type: 'string' },
        scale: { type: 'string' },
        json: { type: 'string' },
      },
    }).values
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : 'not understood')
  }
}

function partName(name: string): PartName {
  const found = PARTS.find((part) => part === name)
  if (found === undefined) throw new UsageError(`--only: there is no part "${name}"`)
  return found
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (number > 0 && Number.isFinite(number)) return number
  throw new UsageError(`--${name} must be a positive number`)
}
