import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { STATE_VARIABLE, USER, WHEN } from '../../../src/config/expressions/checks.ts'
import { createCompiler, type ExpressionUse } from '../../../src/config/expressions/expressions.ts'
import { createPseudonym } from '../../../src/config/expressions/pseudonym.ts'
import type { Scope } from '../../../src/config/settings.ts'
import { readRandomKey } from '../../../src/lib/secret.ts'
import { anyCharacter } from '../../lib/any-character.ts'

const KEY = Buffer.alloc(32, 7)
const compile = createCompiler(createPseudonym(KEY))

function evaluate(source: string, scope: Partial<Scope> = {}, use: ExpressionUse = STATE_VARIABLE) {
  return compile(source, use).evaluate({ claims: {}, issuer: 'https://i', input: {}, ...scope })
}

describe('what expressions yield', () => {
  test.each([
    ['"a" + issuer', {}, 'ahttps://i'],
    ['claims.level >= 3.0', { level: 3 }, true],
    ['claims.level >= 3', { level: 3 }, true],
    ['claims.level + 1.0', { level: 3 }, 4],
    ['claims.level', { level: 2.5 }, 2.5],
    ['size(claims.groups)', { groups: ['a', 'b'] }, 2n],
    ['3', {}, 3n],
    ['3u', {}, 3n],
    ['9223372036854775807', {}, 9223372036854775807n],
    ['double("nan")', {}, Number.NaN],
    ['"a" in claims.groups', { groups: ['a'] }, true],
    ['"a" in claims.groups', { groups: { a: 1 } }, true],
    ['"constructor" in claims.groups', { groups: { a: 1 } }, false],
    ['has(claims.plan) ? claims.plan : "free"', {}, 'free'],
    ['claims["https://acme.example/plan"]', { 'https://acme.example/plan': 'pro' }, 'pro'],
    [
      'claims.orgs.exists(o, o.roles.exists(r, r == "admin"))',
      { orgs: [{ roles: ['admin'] }] },
      true,
    ],
    ['claims.x', { x: null }, null],
    ['claims.x', { x: ['a'] }, ['a']],
    ['string(claims.id)', { id: 2 ** 53 - 1 }, '9007199254740991'],
    ['claims.id', { id: 2 ** 53 }, null],
    ['claims.a.ids[1]', { a: { ids: [1, -(2 ** 53)] } }, null],
  ])('%s', (source, claims, value) => {
    expect(evaluate(source, { claims })).toEqual(value)
  })

  test('input exists in workflows', () => {
    expect(evaluate('has(input.page) ? input.page : ""', { input: { page: '/a' } })).toBe('/a')
    expect(evaluate('has(input.page) ? input.page : ""')).toBe('')
  })

  test.each(['constructor', 'hasOwnProperty', 'toString', '__proto__', 'valueOf'])(
    'a claim %s is not there unless the token has it',
    (name) => {
      const there = `"${name}" in claims || has(claims.${name})`
      expect(evaluate(there, {})).toBe(false)
      expect(() => evaluate(`claims.${name}`, {})).toThrow()
      expect(() => evaluate(`claims["${name}"]`, {})).toThrow()
      if (name === '__proto__') return
      expect(evaluate(there, { claims: { [name]: 'x' } })).toBe(true)
      expect(evaluate(`claims.${name}`, { claims: { [name]: 'x' } })).toBe('x')
    },
  )

  test.each([
    ['claims.level + 1', { level: 3 }],
    ['claims.missing', {}],
    ['claims.constructor', {}],
    ['claims.toString', {}],
    ['claims.__proto__', {}],
    ['"a" in claims.groups', { groups: 'abc' }],
    ['!claims.x', { x: 'true' }],
    // 9007199254740993 and 9007199254740992 are one double: two subjects would be one user.
    ['"user-" + string(claims.id)', { id: 2 ** 53 }],
    ['pseudonym(issuer, string(claims.ids[0]))', { ids: [1e20] }],
  ])('%s throws', (source, claims) => {
    expect(() => evaluate(source, { claims })).toThrow()
  })

  test('an evaluation that threw leaves nothing behind', () => {
    const expression = compile('claims.a.map(x, x.b + "!").join()', STATE_VARIABLE)
    const run = (a: unknown) => expression.evaluate({ claims: { a }, issuer: 'i', input: {} })
    expect(() => run([{ b: 'x' }, {}])).toThrow()
    expect(run([{ b: 'y' }])).toBe('y!')
    expect(run([{ b: 'z' }])).toBe('z!')
  })
})

describe('types are checked at start-up', () => {
  test.each([
    ['size(claims.sub)', USER, /must yield a string, but yields int/],
    ['claims', USER, /must yield a string, but yields map/],
    ['claims.sub == "a"', USER, /must yield a string, but yields bool/],
    ['"a"', WHEN, /must yield a bool, but yields string/],
    ['claims.groups.map(g, g)', WHEN, /must yield a bool, but yields list/],
    ['[1]', STATE_VARIABLE, /must yield a string, a number or a bool, but yields list<int>/],
    ['null', STATE_VARIABLE, /but yields null/],
    ['timestamp(0)', STATE_VARIABLE, /but yields google.protobuf.Timestamp/],
    ['b"x"', STATE_VARIABLE, /but yields bytes/],
    ['"a" + 1', USER, /no such overload: string \+ int/],
    ['input.page', USER, /Unknown variable: input; there are claims and issuer here/],
    ['sub', WHEN, /Unknown variable: sub; there are claims, issuer and input here/],
    ['admin in claims.roles', WHEN, /Unknown variable: admin; .* text needs its own quotes/],
    ['claims.', USER, /is not a CEL expression/],
    ['claims.plan = "pro"', WHEN, /is not a CEL expression: .*; use == to compare$/],
    ['claims.plan === "pro"', WHEN, /; use == to compare$/],
    ['claims.plan !== "pro"', WHEN, /; use != to compare$/],
    ['claims.plan == "a = b" &&', WHEN, /^(?!.*to compare)/],
    [
      'claims.cognito:groups == "x"',
      WHEN,
      /Unexpected character: ':'; .*brackets: claims\["a:b"\]/,
    ],
    ['claims.https://acme.example/roles == "x"', WHEN, /brackets: claims\["a:b"\]/],
    ['"x" in claims.access.my-client.roles', WHEN, /Unknown variable: client; .*brackets/],
    ['claims?.plan == "x"', WHEN, /; ask has\(claims\.plan\) before$/],
    ['claims.?plan.orValue("free")', STATE_VARIABLE, /; ask has\(claims\.plan\) before$/],
    ['claims[?"a:b"].orValue("")', STATE_VARIABLE, /; ask has\(claims\.plan\) before$/],
    ['claims.plan ?? "free"', STATE_VARIABLE, /; ask has\(claims\.plan\) before$/],
    ['not claims.blocked', WHEN, /; use && \|\| !$/],
    ['claims.plan in ("a", "b")', WHEN, /; a list is in brackets/],
    ['has(claims["a:b"])', WHEN, /; has\(\) takes claims\.plan; .* write "a:b" in claims$/],
    ['claims.groups.includes("x")', WHEN, /; a list is asked with "a" in claims\.groups/],
    ['claims.groups.some(g => g == "x")', WHEN, /; a list is asked with/],
    ['claims.plan == “pro”', WHEN, /; use straight quotes$/],
    ['now()', STATE_VARIABLE, /no matching overload/],
    ['pseudonym()', USER, /no matching overload/],
    ['pseudonym(1)', USER, /no matching overload/],
    [`pseudonym(${Array(9).fill('issuer').join()})`, USER, /limit|maxCallArguments|argument/i],
    ['"a" '.padEnd(4097), USER, /is longer than 4096 characters/],
    [`${'('.repeat(200)}"a"${')'.repeat(200)}`, USER, /depth|deep/i],
    ['"a"'.padEnd(4000, '+"a"'), USER, /nodes/i],
  ])('%s', (source, use, message) => {
    expect(() => compile(source, use)).toThrow(message)
  })
})

describe('an expression that could keep the process busy is refused', () => {
  test.each([
    ['input.page.matches("^a+$")', /client input/],
    ['input["page"].matches("^a+$")', /client input/],
    ['(has(input.page) ? input.page : "").matches("a")', /client input/],
    ['[input.page].exists(p, p.matches("a"))', /client input/],
    ['cel.bind(p, input.page, p.matches("a"))', /client input/],
    ['cel.bind(p, [input.page], p.exists(q, q.matches("a")))', /client input/],
    ['[1].exists(x, input.page.matches("a"))', /client input/],
    ['input.exists(k, k.matches("a"))', /client input/],
    ['string(input.page).lowerAscii().matches("a")', /client input/],
    ['[input.page].exists(claims, claims.matches("a"))', /another meaning to claims/],
    ['cel.bind(issuer, input.page, issuer.matches("a"))', /another meaning to issuer/],
    ['[input.page.matches("a")].exists(x, x)', /client input/],
    ['claims.sub.matches(claims.pattern)', /not a literal/],
    ['claims.sub.matches("a" + "b")', /not a literal/],
    ['claims.sub.matches(input.page)', /not a literal/],
    ['claims.sub.matches("(")', /not a regular expression/],
    ['claims.sub.matches("^(a+)+$")', /a repetition repeats/],
    ['claims.groups.exists(g, g.matches("(a|ab)*"))', /alternatives overlap/],
    ['claims.sub.matches("a*a*a*")', /share a text/],
    ['duration(claims.d) == duration("1s")', /duration/],
    ['duration(input.d) == duration("1s")', /duration/],
    ['claims.a.all(x, claims.b.all(y, claims.c.all(z, true)))', /nests/],
    ['claims.a.all(x, claims.b.all(y, y in claims.c))', /each round/],
    ['claims.a.all(x, claims.b.all(y, claims.c.contains(x + y)))', /each round/],
    ['claims.a.all(x, claims.b.all(y, size(claims.c) > 1))', /each round/],
    ['claims.a.all(x, cel.bind(c, claims.c, claims.b.all(y, c.join(y) == x)))', /each round/],
    ['optional.of(claims.a).hasValue()', /optional/],
    ['input.a.split("").all(x, claims.b.all(y, true))', /nests/],
    ['claims.b.all(y, input.a.split("").all(x, true))', /nests/],
  ])('%s', (source, message) => {
    expect(() => compile(source, WHEN)).toThrow(message)
  })

  test.each([
    'claims.email.matches("@acme[.]example$")',
    'claims.groups.exists(g, g.matches("^team-"))',
    'claims.groups.exists(g, g.matches("^team-")) && input.page == "x"',
    '[input.page].exists(p, p == "a") && claims.groups.exists(p, p.matches("a"))',
    'cel.bind(p, input.page, p.startsWith("a"))',
    'cel.bind(p, input.page, claims.groups.exists(p, p.matches("a")))',
    'duration("1s") < duration("2s")',
    'claims.a.all(x, claims.b.all(y, x == y))',
    'input.a.split(",").all(x, x in claims.b)',
    'claims.a.all(x, claims.b.all(y, x in ["a", claims.c] || y.contains(x)))',
    'claims.a.all(x, x.roles.exists(y, y in claims.b || claims.c.contains(y)))',
    'claims.a.all(x, cel.bind(r, x.roles, r.exists(y, y in claims.b)))',
    'claims.a.exists(optional, optional == "of")',
  ])('allowed: %s', (source) => {
    expect(() => compile(source, WHEN)).not.toThrow()
  })
})

describe('pseudonym()', () => {
  test('is an HMAC of the parts, known in advance', () => {
    // openssl: printf '["https://i","alice"]' | openssl dgst -sha256 -mac HMAC -macopt hexkey:0707…07
    expect(evaluate('pseudonym(issuer, claims.sub)', { claims: { sub: 'alice' } }, USER)).toBe(
      'u_H9u4tL72XXzRyx0fwRSVF6WduvvtnyC-Al5sWmBwqZ4',
    )
  })

  test('accepts eight strings, and only strings', () => {
    const eight = `pseudonym(${Array(8).fill('claims.sub').join()})`
    expect(evaluate(eight, { claims: { sub: 'a' } }, USER)).toMatch(/^u_[\w-]{43}$/)
    expect(() => evaluate('pseudonym(claims.sub)', { claims: { sub: 1 } }, USER)).toThrow()
    expect(() => evaluate('pseudonym(claims.sub)', { claims: { sub: null } }, USER)).toThrow()
  })

  test('is stable and injective', () => {
    const pseudonym = createPseudonym(KEY)
    expect(pseudonym('ab', 'c')).not.toBe(pseudonym('a', 'bc'))
    expect(pseudonym('a', '')).not.toBe(pseudonym('a'))
    const parts = fc.array(fc.string({ unit: anyCharacter }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const equal = one.length === other.length && one.every((part, at) => part === other[at])
        expect(pseudonym(...one) === pseudonym(...other)).toBe(equal)
      }),
    )
  })

  test('text moved from one part to the next changes the name', () => {
    const pseudonym = createPseudonym(KEY)
    const text = fc.string({ minLength: 2 })
    fc.assert(
      fc.property(text, fc.nat(), fc.nat(), (whole, one, other) => {
        const cut = (at: number) => [whole.slice(0, at), whole.slice(at)] as const
        const [first, second] = [one % whole.length, other % whole.length]
        expect(pseudonym(...cut(first)) === pseudonym(...cut(second))).toBe(first === second)
      }),
    )
  })

  test('depends on the key', () => {
    expect(createPseudonym(Buffer.alloc(32, 1))('a')).not.toBe(createPseudonym(KEY)('a'))
  })

  test('its key is base64url of at least 32 bytes', () => {
    const text = Buffer.alloc(32, 250).toString('base64url')
    expect(readRandomKey(text)).toEqual(Buffer.alloc(32, 250))
    expect(readRandomKey(`${text}=`)).toEqual(Buffer.alloc(32, 250))
    expect(readRandomKey(Buffer.alloc(31, 250).toString('base64url'))).toBeUndefined()
    expect(readRandomKey(Buffer.alloc(32, 250).toString('base64'))).toBeUndefined()
    expect(readRandomKey('')).toBeUndefined()
    expect(readRandomKey(`${text} x`)).toBeUndefined()
  })

  test('without a key it type-checks, and fails when called', () => {
    const expression = createCompiler(undefined)('pseudonym(claims.sub)', USER)
    expect(expression.callsPseudonym).toBe(true)
    expect(() => expression.evaluate({ claims: { sub: 'a' }, issuer: 'i', input: {} })).toThrow(
      'USER_PSEUDONYM_KEY',
    )
  })
})
