// Reads the environment variables of the operators' command line.

import { isAbsolute, join } from 'node:path'
import { z } from 'zod'
import { readConfigSources, readVariables, type Variables } from './env.ts'
import { proxySchema, readProxies } from './proxies.ts'
import { baseUrl, isAtLoopback } from './urls.ts'
import { environmentSchema } from './variables.ts'

/** The environment of the operators' command line. Keys and tokens are read through `secret`. */
export type CliEnvironment = ReturnType<typeof readCliEnvironment>

/** Variables that only the command line reads. */
export const CLI_VARIABLES = {
  CHATKIT_MINT_URL:
    'The service that commands call, as https://chat.example.com; without it, and without `--url`, they call the ChatKit API itself.',
  CHATKIT_MINT_TOKEN: "An admin's token for that service; or `CHATKIT_MINT_TOKEN_FILE`.",
  CHATKIT_MINT_PROFILE:
    'The profile of `login` that commands use, as `--profile`; `default` when absent. Profiles are in `chatkit-mint/profiles.json` below `XDG_CONFIG_HOME`, else `~/.config` (on Windows `%APPDATA%`).',
  CHATKIT_MINT_SIGN_IN:
    'The sign-in of `npm run dev` or `npm run demo` that `token create` asks; http://127.0.0.1:8788 when absent.',
} as const

/** The URL of the embedded sign-in, which only ever runs on this machine. */
export const signInUrl = baseUrl.refine(
  (url) => isAtLoopback(url) && url.startsWith('http:'),
  'must be an http URL of this machine',
)

export const profileName = z
  .string()
  .regex(/^[A-Za-z0-9][\w.-]{0,63}$/, 'must have 1 to 64 letters, digits, ".", "_" and "-"')

const cliSchema = environmentSchema
  .pick({ OPENAI_BASE_URL: true, OPENAI_ORG_ID: true, OPENAI_PROJECT_ID: true })
  .extend({
    ...proxySchema.shape,
    CHATKIT_MINT_URL: baseUrl.optional(),
    CHATKIT_MINT_SIGN_IN: signInUrl.default('http://127.0.0.1:8788'),
    CHATKIT_MINT_PROFILE: profileName.optional(),
    XDG_CONFIG_HOME: z.string().optional(),
    HOME: z.string().optional(),
    APPDATA: z.string().optional(),
  })

/** A relative path is ignored (XDG Base Directory Specification). */
function settingsFolderOf(set: z.output<typeof cliSchema>): string | undefined {
  const home = set.HOME === undefined ? undefined : join(set.HOME, '.config')
  const system = process.platform === 'win32' ? set.APPDATA : home
  return [set.XDG_CONFIG_HOME, system].find((path) => path !== undefined && isAbsolute(path))
}

/**
 * Reads the variables that the command line uses. Others are not checked, because an operator's machine is not
 * the server.
 *
 * @param variables - as in `readEnvironment`
 * @throws `EnvironmentError` with every problem at once
 */
export function readCliEnvironment(variables?: Variables) {
  const data = readVariables(cliSchema, variables)
  return {
    openaiBaseUrl: data.OPENAI_BASE_URL,
    openaiOrgId: data.OPENAI_ORG_ID,
    openaiProjectId: data.OPENAI_PROJECT_ID,
    /** URL of the service to call, without a trailing slash; undefined to call the ChatKit API itself. */
    serviceUrl: data.CHATKIT_MINT_URL,
    /** The sign-in of `npm run dev` or of the demo, without a trailing slash. */
    signInUrl: data.CHATKIT_MINT_SIGN_IN,
    /** The profile that `login` made; undefined for the one named `default`. */
    profile: data.CHATKIT_MINT_PROFILE,
    /** Folder of this user's settings, an absolute path; undefined when the environment names none. */
    settingsFolder: settingsFolderOf(data),
    proxies: readProxies(data),
    secret: readConfigSources(variables).secret,
  }
}

/**
 * Checks a URL that was given as an option.
 *
 * @returns the URL without a trailing slash; undefined when no credential may be sent to it
 */
export function credentialUrl(text: string): string | undefined {
  return baseUrl.safeParse(text).data
}
