// The port for the keys of an issuer, which come from the network, the config file or a shared secret.

import type { CryptoKey } from 'jose'
import type { TokenHeader } from '../token-shape.ts'

/** Most keys tried on one token, so that a set of 100 keys does not cost 100 verifications. */
export const MAX_CANDIDATES = 3

/** Keys that may have signed a token. */
export interface KeyMatch {
  /** At most {@link MAX_CANDIDATES}; empty when no known key fits. */
  readonly keys: readonly CryptoKey[]
  /** Version of the key set that holds these keys. */
  readonly version: number
}

/** Whether an issuer's keys can verify tokens, for readiness and metrics. */
export interface KeyState {
  readonly usable: boolean
  /** Seconds since the keys were fetched; undefined when there are none or they never were. */
  readonly ageSeconds: number | undefined
}

export interface IssuerKeys {
  /** Whether the keys are known without the network. */
  readonly local: boolean
  /**
   * Chooses the keys that fit the token's `alg` and `kid`.
   *
   * @throws ServiceError `idp_unavailable` when no key is known
   */
  find(header: TokenHeader): Promise<KeyMatch>
  /**
   * Version of the current key set. A verification remembered under another version must be repeated.
   * Keeps the set fresh as {@link IssuerKeys.find} does.
   *
   * @throws ServiceError `idp_unavailable` when no key is known
   */
  version(): Promise<number>
  /**
   * Whether the current key set has another version than this one. May fetch a newer set first, but not
   * more often than the adapter allows.
   */
  renewedSince(version: number): Promise<boolean>
  /** Reads the state only; fetches nothing. */
  state(): KeyState
  /** The known keys, each as the log names it; fetches nothing. */
  names(): readonly string[]
  /** Fetches the keys if they are missing or ageing, but not more often than the adapter allows. */
  warm(): Promise<void>
}
