import { createHmac } from 'node:crypto'
import { beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { adminToken, callAdmin, mintWith } from '../support/admin-calls.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { claimsOf, DEFAULT_CONFIG, startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { handMade } from '../support/tokens.ts'

// Claims, inputs, workflows and parameters that are named like members of every JavaScript object.

const NAMES = ['constructor', 'hasOwnProperty', 'toString', 'valueOf', '__defineGetter__']
const SECRET = 'a shared secret of at least thirty-two bytes'

const config = `${DEFAULT_CONFIG.replace(
  /workflows:[\s\S]*?id: wf_support\n/,
  `workflows:
  inherited: { id: wf_inherited, when: '${NAMES.map((name) => `"${name}" in claims || has(claims.${name})`).join(' || ')}' }
  constructor:
    id: wf_constructor
    when: 'claims.sub == "carol"'
    input: { constructor: { type: string }, toString: { type: string } }
    state_variables: { valueOf: 'has(input.constructor) ? input.constructor : "none"', plain: 'has(input.hasOwnProperty)' }
  support: { id: wf_support, state_variables: { who: 'claims.sub' } }
`,
)}
admins: { when: '"chatkit-admin" in claims.roles' }
`

const running = forAllTests(() => startService({ config }))
beforeEach(() => running.upstream.clearRequests())

/** The workflow that a mint asked the upstream for, and the state variables that went along. */
async function minted(token: string, sent?: unknown) {
  const answer = await mintWith(running, token, sent)
  expect(answer.status).toBe(200)
  const body = z.object({ workflow: z.looseObject({}) })
  return body.parse(running.upstream.requests().at(-1)?.body).workflow
}

const rawToken = (payload: string) =>
  handMade('{"alg":"HS256"}', payload, (input) =>
    createHmac('sha256', SECRET).update(input).digest(),
  )
/** The usual claims as JSON text, with more of it in front. */
const withText = (text: string) => JSON.stringify(claimsOf()).replace('{', `{${text},`)

describe('a claim', () => {
  test('that a token lacks is not found on the object’s prototype', async () => {
    expect(await minted(tokenFor('alice'))).toMatchObject({ id: 'wf_support' })
  })

  test.each(NAMES)('named %s is a claim like any other', async (name) => {
    for (const value of ['x', null, { prototype: { sub: 'carol' } }, 0]) {
      const token = tokenFor('alice', { [name]: value })
      expect(await minted(token)).toMatchObject({ id: 'wf_inherited' })
    }
  })

  test.each([
    '"__proto__":{"roles":["chatkit-admin"],"sub":"carol"}',
    '"\\u005f_proto__":{"roles":["chatkit-admin"]}',
    '"a":[{"__proto__":{}}]',
    '"__proto__":null',
  ])('%s makes the token invalid', async (text) => {
    const token = rawToken(withText(text))
    expectProblem(await answerOf(await running.mint(token)), 401, 'invalid_token')
    expectProblem(await callAdmin(running, 'GET /sessions', { token }), 401, 'invalid_token')
    expect(running.upstream.requests()).toEqual([])
    expect((await running.mint(rawToken(withText('"a":[{"proto":{}}]')))).status).toBe(200)
  })

  test('makes nobody an admin', async () => {
    for (const roles of [undefined, {}, 'chatkit-admin', { 'chatkit-admin': true, includes: 1 }]) {
      const token = tokenFor('alice', { roles, constructor: ['chatkit-admin'] })
      const isMap = typeof roles === 'object' && 'chatkit-admin' in roles
      const answer = await callAdmin(running, 'GET /sessions', { token })
      // CEL's `in` asks an object for a key, as the config's comments say.
      expect(answer.status).toBe(isMap ? 200 : 403)
    }
    expect((await callAdmin(running, 'GET /sessions', { token: adminToken() })).status).toBe(200)
  })
})

describe('what the client sends', () => {
  test.each(NAMES.filter((name) => name !== 'constructor').concat('__proto__', 'prototype'))(
    'as the workflow %s is no workflow',
    async (workflow) => {
      const answer = await answerOf(await mintWith(running, tokenFor('alice'), { workflow }))
      expectProblem(answer, 403, 'workflow_not_allowed')
      expect(running.upstream.requests()).toEqual([])
    },
  )

  test('as the name of a workflow called constructor is judged by its rule', async () => {
    const asked = { workflow: 'constructor' }
    const refused = await answerOf(await mintWith(running, tokenFor('alice'), asked))
    expectProblem(refused, 403, 'workflow_not_allowed')
    const carol = await minted(tokenFor('carol'), asked)
    expect(carol['state_variables']).toEqual({ valueOf: 'none', plain: false })
    const input = { constructor: 'sent', toString: null }
    const sent = await minted(tokenFor('carol'), { ...asked, input })
    expect(sent['state_variables']).toEqual({ valueOf: 'sent', plain: false })
  })

  test.each(['hasOwnProperty', 'valueOf', 'isPrototypeOf'])(
    'as the undeclared input %s is refused, whatever the workflow',
    async (name) => {
      for (const workflow of ['constructor', 'support']) {
        const body = { workflow, input: { [name]: 'x' } }
        const answer = await answerOf(await mintWith(running, tokenFor('carol'), body))
        expectProblem(answer, 400, 'invalid_request')
      }
      expect(running.upstream.requests()).toEqual([])
    },
  )

  test.each(NAMES)('as the parameter or field %s is unknown', async (name) => {
    const authorization = { authorization: `Bearer ${tokenFor('alice')}` }
    const list = await fetch(`${running.url}/v1/threads?${name}=x`, { headers: authorization })
    expectProblem(await answerOf(list), 400, 'invalid_request')
    const body = { [name]: 'x' }
    const mint = await answerOf(await mintWith(running, tokenFor('alice'), body))
    expectProblem(mint, 400, 'invalid_request')
    const revoke = await callAdmin(running, 'POST /revoke', { body: { user: 'bob', ...body } })
    expectProblem(revoke, 400, 'invalid_request')
    expect(running.upstream.requests()).toEqual([])
  })
})
