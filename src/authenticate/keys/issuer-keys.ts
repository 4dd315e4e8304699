import type { CryptoKey } from 'jose'
import type { TokenHeader } from '../token-shape.ts'

/** How many keys are tried on one token: a set of fifty must not cost fifty verifications. */
export const MAX_CANDIDATES = 3

/** Keys that may have signed a token. */
export interface KeyMatch {
  /** At most {@link MAX_CANDIDATES}; empty when no known key fits. */
  readonly keys: readonly CryptoKey[]
  /** Which state of the set they are from. */
  readonly version: number
}

/** Whether an issuer's keys can verify tokens, for readiness and metrics. */
export interface KeyState {
  readonly usable: boolean
  /** Seconds since the keys were fetched; undefined when there are none or they never were. */
  readonly ageSeconds: number | undefined
}

/** The verification keys of one issuer, wherever they come from. */
export interface IssuerKeys {
  /**
   * @param header - of the token: its `alg` and `kid` choose
   * @throws ServiceError `idp_unavailable` when no key is known
   */
  find(header: TokenHeader): Promise<KeyMatch>
  /**
   * The state of the set that verifies now: what another one verified no longer counts. Keeps the set
   * fresh as {@link IssuerKeys.find} does.
   *
   * @throws ServiceError `idp_unavailable` when no key is known
   */
  version(): Promise<number>
  /**
   * After the keys of `version` failed: whether there is another set now. May fetch, within limits.
   */
  renewedSince(version: number): Promise<boolean>
  /** A look without side effects. */
  state(): KeyState
  /** Fetches the keys if there are none or they are getting old, and that is allowed now. */
  warm(): Promise<void>
}
