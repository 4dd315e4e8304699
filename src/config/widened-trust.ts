// Says which settings of the config file accept more than the strict default does, one line for each.

import type { IssuerSettings, Settings } from './settings.ts'

/** One line for each choice that widens trust, for `check-config` and the log of a start. */
export function widenedTrust({ issuers }: Pick<Settings, 'issuers'>): string[] {
  return issuers.flatMap(issuerLines)
}

function issuerLines(settings: IssuerSettings): string[] {
  const { issuer, audienceClaim, audienceWhenAbsent, sharedSecretEnv, insecureHttp } = settings
  const lines: string[] = []
  if (audienceClaim === 'none') {
    lines.push(
      'audience_claim: none accepts every token of this issuer, for whatever app it was made',
    )
  }
  if (audienceWhenAbsent === 'accept') {
    lines.push(
      'audience_when_absent: accept takes tokens that name no audience, except from a cookie',
    )
  }
  if (insecureHttp) {
    lines.push(
      'insecure_http lets whoever is on the way change its keys, and then sign in as anybody; only inside a cluster',
    )
  }
  if (sharedSecretEnv !== undefined) {
    lines.push(
      `secret_env beside a key set lets whoever knows ${sharedSecretEnv} make tokens; remove it after the move`,
    )
  }
  return lines.map((line) => `${issuer}: ${line}`)
}
