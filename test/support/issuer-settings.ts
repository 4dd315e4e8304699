import type { IssuerSettings } from '../../src/config/settings.ts'
import { createLog, type Log } from '../../src/lib/log.ts'

/** Settings of one issuer as the config file's defaults make them, for the audience `chat-api`. */
export function issuerSettings(changes: Partial<IssuerSettings> = {}): IssuerSettings {
  return {
    issuer: 'https://login.acme.example/',
    tenant: undefined,
    audience: ['chat-api'],
    audienceClaim: 'aud',
    audienceWhenAbsent: 'refuse',
    algorithms: ['ES256'],
    keys: { kind: 'discovery' },
    sharedSecretEnv: undefined,
    insecureHttp: false,
    tokenTypes: ['at+jwt', 'jwt', 'none'],
    requiredClaims: ['sub'],
    clockToleranceSeconds: 30,
    maxTokenAgeSeconds: undefined,
    staleKeysSeconds: 86_400,
    cookie: undefined,
    tokenHeader: undefined,
    sessionsEndWithToken: false,
    user: { source: 'claims.sub', claims: 'subject', evaluate: ({ claims }) => claims['sub'] },
    logout: undefined,
    ...changes,
  }
}

/** A log that is kept: each line as an object. */
export function recordingLog(): { log: Log; lines: Record<string, unknown>[]; text: () => string } {
  const lines: Record<string, unknown>[] = []
  const write = (line: string) => void lines.push(JSON.parse(line))
  const log = createLog({ level: 'debug', destination: { write } })
  return { log, lines, text: () => JSON.stringify(lines) }
}

/** A clock that stands still until it is moved. */
export function stoppedClock(startMs = 1_800_000_000_000) {
  let time = startMs
  return {
    now: () => time,
    advance(seconds: number): void {
      time += seconds * 1000
    },
  }
}
