// Finds regular expressions that a hostile value could make slow, by one walk over the pattern's structure. It
// runs no pattern.

import { type Characters, EVERY, readAtom } from './pattern-atom.ts'

/** Most ways in which a pattern may match. Optional parts and overlapping alternatives multiply them. */
const MOST_WAYS = 64
/**
 * Most repetitions that can share a text. Two take the square of its length in steps, 10⁸ for the longest
 * token; three would take the cube.
 */
const MOST_SHARING = 2

/** Deepest nesting of groups. */
const DEEPEST = 50

class SlowPattern extends Error {}

/** A repetition that the walk has passed. */
interface Loop {
  readonly id: number
  readonly characters: Characters
  /** Repetitions that can share a text with this one, itself included. */
  readonly sharing: number
  /** Characters required after it that it could have matched itself. */
  readonly after: ReadonlySet<Characters>
}

/** Facts about a part of the pattern. */
interface Part {
  /** Characters with which it can begin. */
  readonly first: Characters
  readonly characters: Characters
  readonly nullable: boolean
  /** Whether it contains `*`, `+`, `?` or `{n,m}`. */
  readonly varies: boolean
}

const NOTHING: Part = { first: 0n, characters: 0n, nullable: true, varies: false }

/**
 * Why a pattern could backtrack for long; undefined when it cannot.
 *
 * A backtracking engine takes exponential time where a repetition repeats (`(a+)+`) or alternatives overlap
 * under one (`(a|ab)*`), and polynomial time where repetitions can share a text (`a*a*a*`). Look-around and
 * back references are refused too: CEL's own patterns (RE2) have neither. Some fast patterns are refused, too.
 *
 * @param pattern - one that `new RegExp(pattern)` accepts
 */
export function slowPatternProblem(pattern: string): string | undefined {
  try {
    judge(pattern)
    return undefined
  } catch (error) {
    if (error instanceof SlowPattern) return error.message
    throw error
  }
}

/** The state of a walk over a pattern. */
interface Walk {
  readonly pattern: string
  at: number
  /** Product of the choices so far; at most {@link MOST_WAYS}. */
  ways: number
  depth: number
  /** The number of the next loop. */
  ids: number
  loops: readonly Loop[]
}

function judge(pattern: string): void {
  // Without `^`, a pattern is tried at every position of the text, as if it began with `.*`.
  const start = { id: 0, characters: EVERY, sharing: 1, after: new Set<Characters>() }
  const walk = { pattern, at: 0, ways: 1, depth: 0, ids: 1, loops: [start] }
  const { overlap } = alternatives(walk)
  if (overlap) widen(walk)
}

function widen(walk: Walk): void {
  walk.ways *= 2
  if (walk.ways > MOST_WAYS)
    throw new SlowPattern('too many optional parts or overlapping alternatives')
}

function alternatives(walk: Walk): { part: Part; overlap: boolean } {
  const [before, firstNew] = [walk.loops, walk.ids]
  const parts: Part[] = []
  const found: Loop[] = []
  do {
    walk.loops = before
    parts.push(sequence(walk))
    found.push(...walk.loops.filter(({ id }) => id >= firstNew))
  } while (walk.pattern[walk.at] === '|' && walk.at++ >= 0)
  const single = parts.length === 1
  if (!single) walk.loops = [...before, ...found]
  return { part: joined(parts), overlap: !single && overlapping(parts) }
}

function sequence(walk: Walk): Part {
  let whole = NOTHING
  while (
    walk.at < walk.pattern.length &&
    walk.pattern[walk.at] !== '|' &&
    walk.pattern[walk.at] !== ')'
  ) {
    const part = quantified(walk)
    whole = {
      first: whole.nullable ? whole.first | part.first : whole.first,
      characters: whole.characters | part.characters,
      nullable: whole.nullable && part.nullable,
      varies: whole.varies || part.varies,
    }
  }
  return whole
}

function quantified(walk: Walk): Part {
  if (walk.pattern[walk.at] === '(') return quantifiedGroup(walk)
  if (walk.pattern[walk.at] === '^') walk.loops = walk.loops.filter(({ id }) => id > 0)
  const atom = readAtom(walk.pattern, walk.at)
  if (atom === undefined) throw new SlowPattern('it has a back reference')
  walk.at = atom.end
  if (atom.characters === undefined) return NOTHING
  const { characters } = atom
  const { min, max } = quantifier(walk)
  const varies = min !== max
  if (varies) repeat(walk, characters, max)
  if (min > 0) follow(walk, characters)
  return { first: characters, characters, nullable: min === 0, varies }
}

function quantifiedGroup(walk: Walk): Part {
  const opening = /^\((?:\?:|\?<[A-Za-z_$][\w$]*>)?(?!\?)/.exec(
    walk.pattern.slice(walk.at, walk.at + 80),
  )
  if (opening === null) throw new SlowPattern('it looks around, or has a group of another kind')
  if (++walk.depth > DEEPEST) throw new SlowPattern('its groups nest too deep')
  walk.at += opening[0].length
  const [before, firstNew] = [walk.loops, walk.ids]
  const { part, overlap } = alternatives(walk)
  walk.depth--
  walk.at++
  const { min, max } = quantifier(walk)
  // A group that may match nothing does not end the loops before it.
  if (min === 0) walk.loops = [...before, ...walk.loops.filter(({ id }) => id >= firstNew)]
  if (max > 1 && part.varies) throw new SlowPattern('a repetition repeats, as in (a+)+')
  if (max > 1 && (overlap || part.nullable)) {
    throw new SlowPattern('alternatives overlap under a repetition, as in (a|ab)*')
  }
  if (overlap) widen(walk)
  const varies = min !== max
  if (varies) repeat(walk, part.characters, max)
  return { ...part, nullable: part.nullable || min === 0, varies: part.varies || varies }
}

function quantifier(walk: Walk): { min: number; max: number } {
  const found = /^(?:([*+?])|\{(\d+)(,?)(\d*)\})\??/.exec(walk.pattern.slice(walk.at, walk.at + 40))
  if (found === null) return { min: 1, max: 1 }
  const [text, sign, least = '', comma, most] = found
  walk.at += text.length
  if (sign !== undefined) return { min: sign === '+' ? 1 : 0, max: sign === '?' ? 1 : Infinity }
  const min = Number(least)
  if (!comma) return { min, max: min }
  return { min, max: most ? Number(most) : Infinity }
}

function repeat(walk: Walk, characters: Characters, max: number): void {
  if (max === 1) {
    widen(walk)
    return
  }
  const shared = walk.loops.filter((loop) => canShare(loop, characters))
  const sharing = 1 + Math.max(0, ...shared.map((loop) => loop.sharing))
  if (sharing > MOST_SHARING) {
    throw new SlowPattern(
      'more than two repetitions can share a text, as in a*a*a* (without ^, one counts twice)',
    )
  }
  walk.loops = [...walk.loops, { id: walk.ids++, characters, sharing, after: new Set() }]
}

/** A required character ends each loop that could not have matched it. */
function follow(walk: Walk, characters: Characters): void {
  walk.loops = walk.loops.flatMap((loop) => {
    const readable = loop.characters & characters
    return readable === 0n ? [] : [{ ...loop, after: new Set(loop.after).add(readable) }]
  })
}

/** Whether a text can end one repetition and begin the next. */
function canShare({ characters: own, after }: Loop, characters: Characters): boolean {
  if ((own & characters) === 0n) return false
  for (const one of after) if ((one & characters) === 0n) return false
  return true
}

function overlapping(parts: readonly Part[]): boolean {
  let seen: Characters = 0n
  for (const { first, nullable } of parts) {
    if (nullable || (seen & first) !== 0n) return true
    seen |= first
  }
  return false
}

function joined(parts: readonly Part[]): Part {
  return {
    first: parts.reduce((set, { first }) => set | first, 0n),
    characters: parts.reduce((set, { characters }) => set | characters, 0n),
    nullable: parts.some(({ nullable }) => nullable),
    varies: parts.some(({ varies }) => varies),
  }
}
