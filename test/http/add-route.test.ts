import { TrieRouter } from 'hono/router/trie-router'
import { expect, onTestFinished, test, vi } from 'vitest'
import { noSuchRoute, RouteFinder, withHandlers } from '../../src/http/add-route.ts'
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

test('a path is searched for once for each method, apart from those with parameters and those of no route', () => {
  const routes = new RouteFinder<string>()
  const search = vi.spyOn(TrieRouter.prototype, 'match')
  onTestFinished(() => search.mockRestore())
  routes.add('ALL', '*', 'frame')
  routes.add('GET', '/threads', 'list')
  routes.add('POST', '/threads', 'create')
  routes.add('GET', '/threads/:id', 'read')
  const found = (method: string, path: string) => routes.match(method, path)[0].flat()
  for (const _ of [1, 2]) {
    expect(found('GET', '/threads')).toEqual(['frame', {}, 'list', {}])
    expect(found('POST', '/threads')).toEqual(['frame', {}, 'create', {}])
    expect(found('PUT', '/threads')).toEqual(['frame', {}])
    expect(found('GET', '/threads/a')).toEqual(['frame', {}, 'read', { id: 'a' }])
    expect(found('GET', '/threads/b')).toEqual(['frame', {}, 'read', { id: 'b' }])
    expect(found('GET', '/none')).toEqual(['frame', {}])
  }
  const searched = search.mock.calls.map(([method, path]) => `${method} ${path}`)
  const again = ['GET /threads/a', 'GET /threads/b', 'GET /none']
  expect(searched).toEqual(['GET /threads', 'POST /threads', 'PUT /threads', ...again, ...again])
})
