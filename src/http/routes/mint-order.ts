import type { Principal } from '../../authenticate/claims.ts'
import type { IssuerSettings, Settings } from '../../config/settings.ts'
import type { Clock } from '../../lib/clock.ts'
import type { NewSession } from '../../map/map.ts'
import { createParams, sessionSeconds } from '../../map/session-params.ts'
import type { MintOrder } from '../../mint/mint.ts'
import { identityOf } from '../../registry/identity.ts'

/** What to mint for a mapped session, all but the secret that the client still holds. */
export type MakeMintOrder = (
  session: NewSession,
  principal: Principal,
) => Omit<MintOrder, 'currentSecret'>

/**
 * Joins step 2 and step 3: from the rules' result to what the upstream is asked for.
 *
 * @param settings - issuers, for what depends on them
 * @param now - the clock
 */
export function createMintOrder(settings: Settings, now: Clock): MakeMintOrder {
  const issuers = new Map(settings.issuers.map((issuer) => [issuer.issuer, issuer]))
  return (session, principal) =>
    mintOrder(session, principal, { issuer: issuers.get(principal.issuer), now })
}

interface OrderContext {
  readonly issuer: IssuerSettings | undefined
  readonly now: Clock
}

function mintOrder(
  session: NewSession,
  principal: Principal,
  { issuer, now }: OrderContext,
): Omit<MintOrder, 'currentSecret'> {
  const seconds = sessionSeconds({
    configured: session.workflow.expiresAfterSeconds,
    sessionsEndWithToken: issuer?.sessionsEndWithToken ?? true,
    tokenExpiresAt: principal.expiresAt,
    now,
  })
  return {
    workflow: session.workflow.name,
    params: createParams(session, seconds),
    identity: identityOf(principal),
    tokenIssuedAt: principal.issuedAt,
    logoutPossible: issuer?.logout !== undefined,
    keepState: session.workflow.kind === 'self-hosted',
  }
}
