// The accounts of the embedded sign-in.

/** Claims of an account in access tokens and ID tokens, besides its name. */
export type AccountClaims = Readonly<Record<string, unknown>>

/** Accounts by name, which is their `sub`. Nobody has a password. */
export type Accounts = Readonly<Record<string, AccountClaims>>

/** A customer who may use support, one who may not, and an admin. */
export const SAMPLE_ACCOUNTS: Accounts = {
  alice: { groups: ['support'], plan: 'pro', roles: [] },
  bob: { groups: [], plan: 'free', roles: [] },
  ada: { groups: [], plan: 'pro', roles: ['chatkit-admin'] },
}
