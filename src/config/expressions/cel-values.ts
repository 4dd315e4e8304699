// Prepares claims and input for CEL, where the library or JSON would give them another meaning. The library takes an
// object's type from its member "constructor", and so would take it from the token or the client. A whole number
// beyond 2^53 has lost digits: as part of a user it would make two subjects one user.

/** Values known to need no change. A token that is seen again has the same claims object. */
const plain = new WeakSet<object>()

/**
 * The value itself, unless something in it needs a change: an object with a member "constructor" becomes a `Map`,
 * a number that has lost digits becomes null.
 */
export function celValue(value: object): unknown {
  if (plain.has(value)) return value
  if (needsChange(value)) return converted(value)
  plain.add(value)
  return value
}

/** @returns for a number, whether it has lost digits */
function needsChange(value: unknown): boolean {
  if (typeof value === 'number') return Number.isInteger(value) && !Number.isSafeInteger(value)
  if (typeof value !== 'object' || value === null) return false
  if (!Array.isArray(value) && Object.hasOwn(value, 'constructor')) return true
  for (const key in value) if (needsChange(Reflect.get(value, key))) return true
  return false
}

function converted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return needsChange(value) ? null : value
  if (Array.isArray(value)) return value.map(converted)
  const entries = Object.entries(value).map(([key, member]) => [key, converted(member)] as const)
  return Object.hasOwn(value, 'constructor') ? new Map(entries) : Object.fromEntries(entries)
}
