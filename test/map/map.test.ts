import { describe, expect, test } from 'vitest'
import type { InputValue } from '../../src/config/settings.ts'
import { mapSession, type NewSession } from '../../src/map/map.ts'
import { userId } from '../support/ids.ts'
import { principalWith, refusal, workflowsOf } from './fixtures.ts'

const USER = userId('u')

const WORKFLOWS = workflowsOf(`
  support: { id: wf_s, when: '"support" in claims.groups' }
  sales: { id: wf_l, when: 'claims.sales', state_variables: { plan: 'claims.plan' } }
  page:
    id: wf_p
    when: 'claims.page == true && (!has(input.page) || input.page != "/no")'
    input: { page: { type: string, max_length: 5, required: true }, n: { type: number }, b: { type: boolean } }
    state_variables: { page: 'input.page', n: 'has(input.n) ? input.n : 0.0' }
`)

interface Asked {
  workflow?: string
  input?: Record<string, InputValue>
}

function session(claims: Record<string, unknown>, asked: Asked = {}): NewSession {
  return mapSession(WORKFLOWS, { principal: principalWith(claims), user: USER, asked })
}

const refused = (claims: Record<string, unknown>, asked: Asked = {}) =>
  refusal(() => session(claims, asked))
const NOT_ALLOWED = { code: 'workflow_not_allowed', detail: undefined }

test('a workflow that is asked for by name is chosen', () => {
  const found = session({ sales: true, groups: ['support'], plan: 'x' }, { workflow: 'sales' })
  expect(found).toMatchObject({ user: 'u', workflow: { id: 'wf_l' } })
})

test('without a name, the first workflow whose rule holds is chosen', () => {
  expect(session({ groups: ['support'], sales: true }).workflow.name).toBe('support')
  expect(session({ groups: [], sales: true, plan: 'x' }).workflow.name).toBe('sales')
  expect(session({ sales: true, plan: 'x' }).workflow.name).toBe('sales')
})

test('everyone may use a workflow without a rule', () => {
  const workflows = workflowsOf('  a: { id: wf_a }\n')
  const principal = principalWith({})
  const found = mapSession(workflows, { principal, user: USER, asked: { workflow: 'a' } })
  expect(found).toEqual({ user: 'u', workflow: workflows[0], stateVariables: undefined })
})

test('an unknown name, a forbidden one and a failing rule get the same answer', () => {
  expect(refused({ groups: [] }, { workflow: 'unknown' })).toEqual(NOT_ALLOWED)
  expect(refused({ groups: [] }, { workflow: 'support' })).toEqual(NOT_ALLOWED)
  expect(refused({}, { workflow: 'support' })).toEqual(NOT_ALLOWED)
  expect(refused({ groups: ['support'] }, { workflow: '__proto__' })).toEqual(NOT_ALLOWED)
  expect(refused({ groups: ['support'] }, { workflow: 'Support' })).toEqual(NOT_ALLOWED)
  expect(refused({ groups: ['support'] }, { workflow: '' })).toEqual(NOT_ALLOWED)
})

test('the log names the workflow asked for, those of the caller, and why the rule refuses', () => {
  const message = (workflow: string, claims = {}): string => {
    try {
      session(claims, { workflow })
      return 'none'
    } catch (error) {
      return String(error)
    }
  }
  expect(message('sales', { groups: ['support'] })).toMatch(/received "sales", expected "support"$/)
  expect(message('support', {})).toMatch(/received "support", expected none$/)
  expect(message('support', {})).toContain('(support: `when` fails: No such key: groups)')
  expect(message('support', { groups: [] })).toContain('(support: `when` is false)')
  expect(message('unknown')).toMatch(/asked for; received "unknown", expected none$/)
  expect(message(`Bearer sk-${'a'.repeat(300)}\n`)).not.toMatch(/sk-a|\n/)
})

test('a caller for whom no rule holds may use no workflow', () => {
  expect(refused({})).toEqual(NOT_ALLOWED)
  expect(() => session({}, {})).toThrow(
    /any workflow \(.*support: `when` fails: No such key: groups/,
  )
})

test.each([['true'], [1], [{}], [[true]], [null]])(
  'a rule that yields %j lets nobody through',
  (sales) => {
    expect(refused({ sales }, { workflow: 'sales' })).toEqual(NOT_ALLOWED)
  },
)

describe('input', () => {
  const page = (input?: Record<string, InputValue>): Asked => ({
    workflow: 'page',
    ...(input && { input }),
  })
  const invalid = (detail: string) => ({ code: 'invalid_request', detail })

  test('input that fits its declaration reaches rules and state variables', () => {
    expect(session({ page: true }, page({ page: '/home', n: 2, b: false })).stateVariables).toEqual(
      { page: '/home', n: 2 },
    )
  })

  test('a rule may decide by input', () => {
    expect(refused({ page: true }, page({ page: '/no' }))).toEqual(NOT_ALLOWED)
    const workflows = workflowsOf(
      `  a: { id: wf, when: 'input.k == "x"', input: { k: { type: string } } }\n`,
    )
    const ask = (k: string) =>
      mapSession(workflows, { principal: principalWith({}), user: USER, asked: { input: { k } } })
    expect(ask('x').workflow.name).toBe('a')
    expect(refusal(() => ask('y'))).toEqual(NOT_ALLOWED)
    expect(() => ask('y')).toThrow('(a: `when` is false)')
  })

  test.each<[Record<string, InputValue> | undefined, string]>([
    [undefined, 'input.page is required.'],
    [{}, 'input.page is required.'],
    [{ page: '/', other: 1 }, 'input.other is not declared by the workflow.'],
    [{ page: '/', 'a b<script>': 1 }, 'a field of input is not declared by the workflow.'],
    [{ page: 1 }, 'input.page must be a string.'],
    [{ page: '/', n: '1' }, 'input.n must be a number.'],
    [{ page: '/', b: 0 }, 'input.b must be a boolean.'],
    [{ page: '/12345' }, 'input.page must have at most 5 characters.'],
    [{ page: '😀😀😀' }, 'input.page must have at most 5 characters.'],
    [{ page: '\ud800' }, 'input.page must be well-formed text.'],
    [{ page: '/', n: Number.NaN }, 'input.n must be finite.'],
    [{ page: '/', n: Number.POSITIVE_INFINITY }, 'input.n must be finite.'],
    [
      { page: '/', n: 2 ** 53 },
      'input.n must not be a whole number beyond 2^53, which loses digits.',
    ],
    [{ page: '/', constructor: 1 }, 'input.constructor is not declared by the workflow.'],
  ])('input %j is refused, with the reason only for who may use the workflow', (input, detail) => {
    expect(refused({ page: true }, page(input))).toEqual(invalid(detail))
    // A caller who may not use the workflow must not learn what it declares.
    expect(refused({ page: false }, page(input))).toEqual(NOT_ALLOWED)
    expect(refused({}, page(input))).toEqual(NOT_ALLOWED)
  })

  test('a rule never sees input that does not fit its declaration', () => {
    const workflows = workflowsOf(
      `  a: { id: wf, when: 'has(input.k)', input: { k: { type: string } } }\n`,
    )
    const asked = { workflow: 'a', input: { k: 1 } }
    const principal = principalWith({})
    expect(refusal(() => mapSession(workflows, { principal, user: USER, asked }))).toEqual(
      NOT_ALLOWED,
    )
  })

  test('input is also checked for the default workflow', () => {
    expect(refused({ groups: ['support'] }, { input: { page: '/' } })).toEqual(
      invalid('input.page is not declared by the workflow.'),
    )
    expect(refused({}, { input: { page: '/' } })).toEqual(NOT_ALLOWED)
  })

  test('an input string without a declared length may have at most 1000 characters', () => {
    const workflows = workflowsOf('  a: { id: wf, input: { k: { type: string } } }\n')
    const ask = (k: string) =>
      mapSession(workflows, { principal: principalWith({}), user: USER, asked: { input: { k } } })
    expect(ask('x'.repeat(1000)).workflow.name).toBe('a')
    expect(refusal(() => ask('x'.repeat(1001))).code).toBe('invalid_request')
  })
})
