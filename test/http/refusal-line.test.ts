import { expect, test } from 'vitest'
import { refusalLine } from '../../src/http/refusal-line.ts'
import { ServiceError } from '../../src/lib/errors.ts'

const refused = new Error('connect ECONNREFUSED 127.0.0.1:1')

test('an expected failure is logged with its causes and the command that finds them, without a stack', () => {
  const outage = new ServiceError('idp_unavailable', { reason: 'GET https://i', cause: refused })
  const error = new ServiceError('idp_unavailable', { reason: 'no keys', cause: outage })
  expect(refusalLine(error, 503)).toEqual({
    level: 'error',
    code: 'idp_unavailable',
    reason: 'no keys: GET https://i: connect ECONNREFUSED 127.0.0.1:1',
    help: 'npx chatkit-mint doctor',
  })
})

test.each([
  'invalid_token',
  'claims_not_mapped',
  'workflow_not_allowed',
  'admin_required',
] as const)('a refusal for %s names the command that explains a token', (code) => {
  const { level, help } = refusalLine(new ServiceError(code, { reason: 'why' }), 403)
  expect([level, help]).toEqual(['info', 'npx chatkit-mint jwt explain'])
})

test('the log line of a refusal never quotes the client’s words from the cause', () => {
  const cause = new SyntaxError('Unexpected token in "planted"')
  const error = new ServiceError('invalid_request', { reason: 'not JSON', cause })
  expect(JSON.stringify(refusalLine(error, 400))).not.toContain('planted')
})

test('an unexpected failure is logged with its stack', () => {
  const error = new ServiceError('internal_error', { reason: 'TypeError', cause: refused })
  expect(refusalLine(error, 500)).toMatchObject({ level: 'error', err: error })
  expect(refusalLine(refused, 500)).toMatchObject({ level: 'error', err: refused })
})
