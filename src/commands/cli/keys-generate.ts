// `keys generate`: makes signing keys and random keys.

import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import {
  makeSigningKeys,
  SIGNING_ALGORITHMS,
  type SigningAlgorithm,
} from '../../chatkit/signing/signing-keys.ts'
import { CommandError, EXIT } from './exit.ts'
import type { Io } from './io.ts'
import { print, remark } from './output.ts'

const SECRET_BYTES = 32

/** Uses of a key, each with the variable that takes it. */
const USES = {
  signing: 'SIGNING_KEY_FILE',
  pseudonym: 'USER_PSEUDONYM_KEY',
  cookie: 'CONSOLE_COOKIE_KEY',
} as const

interface Options {
  readonly use: keyof typeof USES
  readonly alg?: SigningAlgorithm
  readonly output?: string
}

/**
 * `keys generate`: a private JWK set for `SIGNING_KEY_FILE`, or 32 random bytes. To rotate signing
 * keys, put the new one before the old one, which goes on verifying; drop the old one when the last
 * secret it signed has expired, ten minutes later.
 */
export function keysGenerateCommand(io: Io): Command {
  const use = new Option('--use <use>', 'what it is for').choices(Object.keys(USES))
  const alg = new Option('--alg <alg>', 'what a signing key signs with (default: "ES256")')
  return new Command('generate')
    .description('make a key for SIGNING_KEY_FILE, USER_PSEUDONYM_KEY or CONSOLE_COOKIE_KEY')
    .addOption(use.default('signing'))
    .addOption(alg.choices(SIGNING_ALGORITHMS))
    .option(
      '--output <file>',
      'a new file, readable for its owner only, instead of standard output',
    )
    .action((options: Options) => generate(io, options))
}

async function generate(io: Io, { use, alg, output }: Options): Promise<void> {
  if (alg !== undefined && use !== 'signing') {
    throw new CommandError(EXIT.usage, `--alg is for signing keys; a ${use} key is random bytes`)
  }
  const text = use === 'signing' ? await makeSigningKeys(alg) : newSecret()
  if (output === undefined) {
    await print(io, text)
    return
  }
  await writeNew(output, `${text}\n`)
  remark(io, `${output}: written; set ${variableFor(use)} to it`)
}

function newSecret(): string {
  return randomBytes(SECRET_BYTES).toString('base64url')
}

function variableFor(use: Options['use']): string {
  return use === 'signing' ? USES[use] : `${USES[use]}_FILE`
}

/** An old key that is overwritten takes every secret and pseudonym made with it along. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const why =
      code === 'EEXIST' ? 'is there already and is not overwritten' : `cannot be written (${code})`
    throw new CommandError(EXIT.ioError, `${path}: ${why}; choose another file`)
  }
}
