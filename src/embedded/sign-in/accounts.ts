// The people whom the embedded sign-in knows.

/** Claims of an account in access tokens and ID tokens, besides its name. */
export type AccountClaims = Readonly<Record<string, unknown>>

/** Accounts by name, which is their `sub`. Nobody has a password. */
export type Accounts = Readonly<Record<string, AccountClaims>>

/** A customer with support, one without, and an admin. */
export const SAMPLE_ACCOUNTS: Accounts = {
  alice: { groups: ['support'], plan: 'pro', roles: [] },
  bob: { groups: [], plan: 'free', roles: [] },
  ada: { groups: [], plan: 'pro', roles: ['chatkit-admin'] },
}
