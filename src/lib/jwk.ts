// Distinguishes public JSON Web Keys from keys that must never be published.

/** RFC 7518 §6.2.2, §6.3.2, §6.4.1, and `priv` of newer key types. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

/** Whether a key has a member that only private and symmetric keys have. */
export function hasPrivateMembers(key: object): boolean {
  return PRIVATE_MEMBERS.some((member) => Object.hasOwn(key, member))
}
