import { expect, test } from 'vitest'
import { noSuchRoute, withHandlers } from '../../src/http/add-route.ts'
import { ROUTES } from '../../src/http/route-table.ts'

const checks = {
  user: () => {},
  reads: () => {},
  admin: undefined,
  introspector: () => {},
  backend: undefined,
}

test('a route whose check the config lacks makes the start fail', () => {
  const handlers = { listAudit: () => new Response() }
  expect(() => withHandlers(ROUTES, handlers, checks)).toThrow('no check for /v1/admin/audit')
})

test('a route without a handler is not served', () => {
  const served = withHandlers(ROUTES, { readOwnThread: () => new Response() }, checks)
  expect(Object.keys(served)).toEqual(['/v1/threads/:id'])
  expect(Object.keys(served['/v1/threads/:id'] ?? {})).toEqual(['GET'])
})

test.each([
  ['/chatkit/helpdesk', ['/client.js'], 'which needs a workflow with `server` in the config'],
  ['/v1/admin/sessions', ['/v1/sessions'], 'which needs `admins` in the config'],
  ['/admin', ['/v1/admin/audit'], 'which needs `console` in the config'],
  ['/chatkit/a/b', ['/chatkit/:workflow'], 'expected one like "/chatkit/:workflow"'],
])('the reason for no route %s beside %j says what is missing', (path, paths, expected) => {
  const { reason } = noSuchRoute(path, paths)
  expect(reason).toBe(`no route "${path}", ${expected}`)
})
