// Prepares claims and input with a member called "constructor" for CEL. The library takes an object's type from
// the member of that name, and so would take it from the token or the client.

/** Values known to have no such member. A token that is seen again has the same claims object. */
const plain = new WeakSet<object>()

/** The value itself, unless something in it has a member "constructor": that becomes a `Map`. */
export function celValue(value: object): unknown {
  if (plain.has(value)) return value
  if (holdsConstructor(value)) return converted(value)
  plain.add(value)
  return value
}

function holdsConstructor(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (!Array.isArray(value) && Object.hasOwn(value, 'constructor')) return true
  for (const key in value) if (holdsConstructor(Reflect.get(value, key))) return true
  return false
}

function converted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(converted)
  const entries = Object.entries(value).map(([key, member]) => [key, converted(member)] as const)
  return Object.hasOwn(value, 'constructor') ? new Map(entries) : Object.fromEntries(entries)
}
