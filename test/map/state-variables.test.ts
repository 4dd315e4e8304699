import fc from 'fast-check'
import { expect, test } from 'vitest'
import { mapStateVariables } from '../../src/map/map.ts'
import { principalWith, refusal, workflowsOf } from './fixtures.ts'

function variables(expressions: Record<string, string>, claims: Record<string, unknown> = {}) {
  const [workflow] = workflowsOf(
    `  a: { id: wf, state_variables: ${JSON.stringify(expressions)} }\n`,
  )
  if (workflow === undefined) throw new Error('no workflow')
  return mapStateVariables(workflow.stateVariables, { ...principalWith(claims), input: {} })
}

test('a workflow without state variables gives undefined', () => {
  expect(variables({})).toBeUndefined()
})

test.each<[string, unknown, string | number | boolean]>([
  ['claims.x', 'pro', 'pro'],
  ['claims.x', '', ''],
  ['claims.x', 2.5, 2.5],
  ['claims.x', false, false],
  ['claims.x == "a"', 'a', true],
  ['size(claims.x)', ['a', 'b'], 2],
  ['42', null, 42],
  ['42u', null, 42],
  ['-7', null, -7],
  ['9007199254740991', null, 9_007_199_254_740_991],
  ['-9007199254740991', null, -9_007_199_254_740_991],
  ['int(claims.x)', 3.9, 3],
  ['string(claims.x)', 3, '3'],
])('the state variable %s of the claim %j is sent', (source, x, value) => {
  expect(variables({ v: source }, { x })).toEqual({ v: value })
})

test('state variables are sent as JSON, whatever their names', () => {
  const found = variables({ plan: 'size("ab")', 'a b': '"x"', constructor: 'true' })
  expect(JSON.stringify(found)).toBe('{"plan":2,"a b":"x","constructor":true}')
})

test.each<[string, unknown]>([
  ['claims.missing', null],
  ['claims.x', null],
  ['claims.x', ['a']],
  ['claims.x', { a: 1 }],
  ['claims.x + 1', 3],
  ['double("nan")', null],
  ['double("inf")', null],
  ['claims.x / 0.0', 1],
  ['9007199254740992', null],
  ['-9007199254740992', null],
  ['9223372036854775807u', null],
  ['int(claims.x)', 1e300],
  ['claims.x', 'a\udc00'],
  ['claims.x.substring(0, 1)', '😀'],
  ['dyn(timestamp(0))', null],
  ['dyn(b"x")', null],
  ['dyn(type(1))', null],
])('the state variable %s of the claim %j is refused', (source, x) => {
  expect(refusal(() => variables({ fine: '"x"', v: source }, { x })).code).toBe('claims_not_mapped')
})

test('a claim is either sent as it is or refused', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (x) => {
      const scalar = ['string', 'number', 'boolean'].includes(typeof x)
      const exact = !Number.isInteger(x) || Number.isSafeInteger(x)
      const fits = scalar && exact && (typeof x !== 'string' || x.isWellFormed())
      if (fits) expect(variables({ v: 'claims.x' }, { x })).toEqual({ v: x })
      else expect(refusal(() => variables({ v: 'claims.x' }, { x })).code).toBe('claims_not_mapped')
    }),
    { numRuns: 60 },
  )
})
