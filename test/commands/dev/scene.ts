import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import type { DevOptions } from '../../../src/commands/dev/options.ts'
import { type RunningDev, startDev } from '../../../src/commands/dev/start.ts'
import type { Variables } from '../../../src/config/env.ts'
import type { MadeToken, TokenRequest } from '../../../src/embedded/sign-in/token-maker.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'

/** A run of `npm run dev` in this process. */
export interface DevScene extends RunningDev {
  /** Its output after the introduction. */
  said(): string
  token(request: TokenRequest): Promise<MadeToken>
  /** `POST /v1/sessions` with header lines such as `Authorization: Bearer …`. */
  mint(...lines: string[]): Promise<Response>
}

/** Starts it on a free port with a config of its own. Nothing of the real environment is in it. */
export async function startDevScene(
  config: string,
  variables: Variables = {},
  options: DevOptions = {},
): Promise<DevScene> {
  const file = configFile(config)
  const printed: string[] = []
  const output = new Writable({
    write(chunk, _encoding, done) {
      printed.push(String(chunk))
      done()
    },
  })
  const world = { variables: { PORT: '0', ...variables }, output }
  const dev = await startDev({ config: file, ...options }, world)
  return {
    ...dev,
    said: () => printed.join(''),
    token: (request) => askForToken(dev.urls.signIn, request),
    mint: (...lines) =>
      fetch(`${dev.urls.service}/v1/sessions`, {
        method: 'POST',
        headers: lines.map((line) => line.split(/: (.*)/).slice(0, 2) as [string, string]),
      }),
  }
}

/** A file in a folder that goes with the test. */
export function configFile(config: string): string {
  const file = join(scratchFolder(), 'config.yaml')
  writeFileSync(file, config)
  return file
}

async function askForToken(signIn: string, request: TokenRequest): Promise<MadeToken> {
  const answer = await fetch(`${signIn}/_embedded/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
  if (!answer.ok) throw new Error(`no token: ${await answer.text()}`)
  return (await answer.json()) as MadeToken
}
