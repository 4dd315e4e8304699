// The profiles of `login`: the option that chooses one, and the file that keeps them, which only this user may read.
// It calls no provider.

import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { InvalidArgumentError, Option } from 'commander'
import { z } from 'zod'
import { credentialUrl, profileName, readCliEnvironment } from '../../../config/cli-environment.ts'
import { createFolder } from '../../../lib/create-folder.ts'
import { systemCode } from '../../../lib/errors.ts'
import { jsonOrUndefined } from '../../../lib/json.ts'
import { CommandError, EXIT, misconfigured } from '../exit.ts'
import type { Io } from '../io.ts'

const address = z.string().refine((text) => credentialUrl(text) !== undefined)

const tokensSchema = z.strictObject({
  /** The kind of `token`. */
  kind: z.enum(['access_token', 'id_token']),
  token: z.string(),
  /** Unix seconds. */
  expires_at: z.int(),
  refresh_token: z.string().optional(),
})

const profileSchema = z.strictObject({
  url: address.optional(),
  issuer: address,
  client_id: z.string(),
  scope: z.string().optional(),
  tokens: tokensSchema.optional(),
})

const fileSchema = z.strictObject({
  version: z.literal(1),
  profiles: z.record(profileName, profileSchema),
})

/** The tokens of a provider that admin calls need. */
export type Tokens = z.infer<typeof tokensSchema>
/** A service, a provider, and the tokens of the signed-in admin. */
export type Profile = z.infer<typeof profileSchema>
export type ProfileEntry = ReturnType<typeof openProfile>

/** `--profile`, the same for every command that has it. */
export function profileOption(): Option {
  return new Option(
    '--profile <name>',
    'use the service and the token of this profile; or CHATKIT_MINT_PROFILE',
  ).argParser((text) => {
    const { data, error } = profileName.safeParse(text)
    if (data !== undefined) return data
    throw new InvalidArgumentError(`It ${error?.issues[0]?.message}.`)
  })
}

/** A refresh takes at most three calls of 5 s, so an older lock belongs to a process that was killed. */
const LOCK_STALE_MS = 30_000
const LOCK_WAIT_MS = 40_000
const LOCK_LOOK_MS = 25

/**
 * Access to one profile. Nothing is read or written yet.
 *
 * @param flag - of `--profile`; without it `CHATKIT_MINT_PROFILE` counts, then `default`
 */
export function openProfile(io: Io, flag: string | undefined) {
  const { profile, settingsFolder } = readCliEnvironment(io.variables)
  const name = flag ?? profile ?? 'default'
  const file = settingsFolder && join(settingsFolder, 'chatkit-mint', 'profiles.json')
  function read(): Profile | undefined {
    return file === undefined ? undefined : readFile(file).get(name)
  }
  return {
    name,
    /** @throws {@link CommandError} for a file that others can read, or that has another shape */
    read,
    /** Like `read`, before a `change`: it also throws when the file could not be written. */
    readToChange(): Profile | undefined {
      if (file === undefined) throw noFolder()
      const profile = read()
      makeFolder(dirname(file))
      return profile
    },
    /**
     * Replaces the profile under a lock, so that no other process changes it meanwhile.
     *
     * @param make - makes the new profile from the current one; must end within 30 s
     * @throws as `read`; {@link CommandError} when the file cannot be written
     */
    async change(make: (now: Profile | undefined) => Profile | Promise<Profile>): Promise<void> {
      if (file === undefined) throw noFolder()
      await locked(file, io.signal, async () => {
        const profile = await make(readFile(file).get(name))
        // The file is read again, because `make` may have taken long.
        writeFile(file, new Map([...readFile(file), [name, profile]]))
      })
    },
  }
}

function readFile(file: string): ReadonlyMap<string, Profile> {
  let text: string
  try {
    text = readPrivate(file)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Map()
    if (error instanceof CommandError) throw error
    throw new CommandError(EXIT.noInput, `cannot read ${file}; check path and permissions.`)
  }
  const { data } = fileSchema.safeParse(jsonOrUndefined(text))
  if (data !== undefined) return new Map(Object.entries(data.profiles))
  throw misconfigured(
    `${file} is not as this version writes it. Move it away, and run chatkit-mint login again.`,
  )
}

/** Checks the open file and not its name, because the file could be replaced between check and read. */
function readPrivate(file: string): string {
  const descriptor = openSync(file, 'r')
  try {
    const { mode, uid } = fstatSync(descriptor)
    // Windows has no such bits; there %APPDATA% belongs to the user.
    const own = process.getuid === undefined || (uid === process.getuid() && (mode & 0o077) === 0)
    if (own) return readFileSync(descriptor, 'utf8')
  } finally {
    closeSync(descriptor)
  }
  throw misconfigured(
    `others can read or own ${file}, and it holds tokens. Nothing was sent. Make it yours alone\n` +
      '(chmod 600), and if others may have read it, run chatkit-mint logout and login.',
  )
}

/** Replaces the file by a rename: a reader sees the old file or the new one, never a part. */
function writeFile(file: string, profiles: ReadonlyMap<string, Profile>): void {
  const content = { version: 1, profiles: Object.fromEntries(profiles) }
  const temporary = `${file}.${process.pid}.tmp`
  try {
    rmSync(temporary, { force: true })
    const text = `${JSON.stringify(content, null, 2)}\n`
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx', flush: true })
    renameSync(temporary, file)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw notWritten(file, error)
  }
}

function makeFolder(folder: string): void {
  try {
    createFolder(folder)
    chmodSync(folder, 0o700)
    accessSync(folder, constants.W_OK)
  } catch (error) {
    throw notWritten(folder, error)
  }
}

async function locked(file: string, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  const lock = `${file}.lock`
  makeFolder(dirname(file))
  for (let waited = 0; !take(lock); waited += LOCK_LOOK_MS) {
    if (waited >= LOCK_WAIT_MS) {
      throw new CommandError(EXIT.tryLater, `another chatkit-mint holds ${lock}; try again.`)
    }
    await sleep(LOCK_LOOK_MS, undefined, { signal })
  }
  try {
    await act()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** @returns whether the lock is ours now */
function take(lock: string): boolean {
  try {
    closeSync(openSync(lock, 'wx', 0o600))
    return true
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw notWritten(lock, error)
  }
  const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs
  if (made !== undefined && Date.now() - made > LOCK_STALE_MS) rmSync(lock, { force: true })
  return false
}

function notWritten(path: string, error: unknown): CommandError {
  const code = systemCode(error) ?? 'unknown error'
  return new CommandError(EXIT.ioError, `cannot write ${path} (${code}); check its permissions.`)
}

function noFolder(): CommandError {
  return misconfigured(
    'there is no folder for the profile: neither XDG_CONFIG_HOME nor HOME (on Windows APPDATA) is set to an\n' +
      'absolute path.',
  )
}
