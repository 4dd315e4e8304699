// Makes claims and input readable to CEL when a member is called "constructor": the library takes the type of an
// object from its member of that name, which is the token's or the client's then.

/** Values without such a member. A token that is seen again has the same claims. */
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
