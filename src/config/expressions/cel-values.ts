// Makes claims and input readable to CEL when a member is called "constructor": the library takes the type of an
// object from its member of that name, which is the token's or the client's then.

/** Converted claims. A token that is seen again has the same claims. */
const known = new WeakMap<object, unknown>()

/** The claims themselves, unless something in them has a member "constructor": that becomes a `Map`. */
export function celClaims(claims: Readonly<Record<string, unknown>>): unknown {
  let found = known.get(claims)
  if (found === undefined) {
    found = converted(claims)
    known.set(claims, found)
  }
  return found
}

/** The same for input, whose values are no objects. */
export function celInput(input: object): unknown {
  return Object.hasOwn(input, 'constructor') ? new Map(Object.entries(input)) : input
}

function converted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, from]) => ({ key, from, to: converted(from) }))
  const same = entries.every(({ from, to }) => from === to)
  if (Array.isArray(value)) return same ? value : entries.map(({ to }) => to)
  if (Object.hasOwn(value, 'constructor')) return new Map(entries.map(({ key, to }) => [key, to]))
  return same ? value : Object.fromEntries(entries.map(({ key, to }) => [key, to]))
}
