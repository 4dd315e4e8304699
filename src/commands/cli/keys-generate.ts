// `keys generate`: makes signing keys, random keys, and API keys for backends.

import { hash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { Command, Option } from 'commander'
import { SIGNING_ALGORITHMS, type SigningAlgorithm } from '../../chatkit/signing/private-keys.ts'
import { makeSigningKeys } from '../../chatkit/signing/signing-keys.ts'
import { systemCode } from '../../lib/errors.ts'
import { newRandomKey } from '../../lib/secret.ts'
import { examples } from './arguments.ts'
import { CommandError, EXIT, wrongUse } from './exit.ts'
import type { Io } from './io.ts'
import { jsonOption, print, printJson, remark } from './output.ts'

/** An API key begins with `sk-`, because logs redact such texts. */
const PREFIX = { pseudonym: '', cookie: '', api: 'sk-mint-' } as const

/** Uses of a key, each with the advice where to put its file. */
const USES = {
  signing: 'set SIGNING_KEY_FILE to it',
  pseudonym: 'set USER_PSEUDONYM_KEY_FILE to it',
  cookie: 'set CONSOLE_COOKIE_KEY_FILE to it',
  api: 'give it to the backend',
} as const

interface Options {
  readonly use: keyof typeof USES
  readonly alg?: SigningAlgorithm
  readonly output?: string
  readonly json?: boolean
}

/**
 * `keys generate`: a private JWK set for `SIGNING_KEY_FILE`, 32 random bytes, or an API key with its entry
 * for `api_keys`.
 */
export function keysCommand(io: Io): Command {
  return new Command('keys')
    .description('Make signing keys, secrets, and API keys for backends')
    .addCommand(generateKey(io))
}

function generateKey(io: Io): Command {
  const use = new Option('--use <use>', 'what the key is for').choices(Object.keys(USES))
  const alg = new Option('--alg <alg>', 'algorithm of a signing key (default: "ES256")')
  return new Command('generate')
    .description(
      'Make a key for SIGNING_KEY_FILE, USER_PSEUDONYM_KEY or CONSOLE_COOKIE_KEY, or an API key for a backend ' +
        'with its entry for api_keys in the config, which holds only the digest',
    )
    .addOption(use.default('signing'))
    .addOption(alg.choices(SIGNING_ALGORITHMS))
    .option(
      '--output <file>',
      'new file to write, which only its owner can read; standard output when absent',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      examples('keys generate --use api', 'keys generate --output signing.json'),
    )
    .action((options: Options) => generate(io, options))
}

async function generate(io: Io, { use, alg, output, json = false }: Options): Promise<void> {
  if (alg !== undefined && use !== 'signing') {
    throw wrongUse(`--alg is for signing keys; ${use} keys are random bytes`)
  }
  const key = use === 'signing' ? makeSigningKeys(alg) : `${PREFIX[use]}${newRandomKey()}`
  if (output !== undefined) {
    await writeNew(output, `${key}\n`)
    remark(io, `${output}: written; ${USES[use]}`)
  }
  const shown = {
    ...(output === undefined && { key }),
    ...(use === 'api' && { sha256: `sha256:${hash('sha256', key)}` }),
  }
  // A JWK set is JSON already.
  await (json && use !== 'signing' ? printJson(io, shown) : printKey(io, shown))
}

/** Prints the key unless it went to a file, and for an API key the entry for the config. */
async function printKey(io: Io, { key, sha256 }: { key?: string; sha256?: string }): Promise<void> {
  if (key !== undefined) await print(io, key)
  if (sha256 === undefined) return
  await print(io, `  - { id: my-backend, sha256: '${sha256}' }`)
  const once = key === undefined ? '' : ' The key is shown only now.'
  remark(io, `The entry goes under api_keys in the config, with an id of your choice.${once}`)
}

/** Never overwrites a file, because without an old key all secrets and pseudonyms made with it are useless. */
async function writeNew(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const code = systemCode(error)
    const why =
      code === 'EEXIST' ? 'is there already and is not overwritten' : `cannot be written (${code})`
    throw new CommandError(EXIT.ioError, `${path}: ${why}; choose another file`)
  }
}
