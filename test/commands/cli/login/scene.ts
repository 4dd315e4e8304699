import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCli } from '../../../../src/commands/cli/program.ts'
import type { Variables } from '../../../../src/config/env.ts'
import { streams } from '../run-cli.ts'

/** The path of the file of profiles for these variables. */
export function profilesFile(variables: Variables): string {
  return join(variables['XDG_CONFIG_HOME'] ?? '', 'chatkit-mint', 'profiles.json')
}

/** The profiles, as they are in the file. */
export function profilesOf(variables: Variables) {
  return JSON.parse(readFileSync(profilesFile(variables), 'utf8')).profiles
}

/**
 * Begins a `login`, in this process.
 *
 * @returns a promise of the command's end, and a function that waits for the address that it prints
 */
export function beginLogin(words: readonly string[], variables: Variables) {
  const { promise: url, resolve, reject } = Promise.withResolvers<string>()
  const { io, said, stdin, stderr, controller: stop } = streams(variables, false)
  stdin.end()
  stderr.on('data', () => {
    const printed = /^ {2}(http\S+)$/m.exec(said.err)?.[1]
    if (printed !== undefined) resolve(printed)
  })
  const ended = runCli(['login', ...words], io).then((code) => {
    reject(new Error(`exit ${code}: ${said.err}`))
    return { code, ...said }
  })
  url.catch(() => undefined)
  return { url, ended, stop }
}

/** The address that the provider sends the browser back to. */
export async function cameBackTo(authorizationUrl: string): Promise<string> {
  const { headers } = await fetch(authorizationUrl, { redirect: 'manual' })
  return headers.get('location') ?? ''
}

/** Signs in as a person with a browser would. */
export async function signInWith(words: readonly string[], variables: Variables) {
  const { url, ended } = beginLogin(words, variables)
  const page = await fetch(await cameBackTo(await url))
  return { ...(await ended), page: page.status, shown: await page.text() }
}
