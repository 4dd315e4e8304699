import { beforeEach, expect, test } from 'vitest'
import { authenticate, claims, configure, es, forgetKeys, invalid } from './two-issuers.ts'

// Tokens of one tenant of Entra ID, whose `tid` must be the tenant that `iss` names.

beforeEach(() => {
  forgetKeys()
  configure({ algorithms: ['ES256'], tenant: 'tenant-a' })
})

test('a token with the tenant in tid is accepted', async () => {
  expect((await authenticate(es.token(claims({ tid: 'tenant-a' })))).subject).toBe('alice')
})

test.each([undefined, null, '', 'tenant-b', 'TENANT-A', ['tenant-a']])(
  'a token whose tid is %s is refused',
  async (tid) => {
    await invalid(es.token(claims({ tid })), /tid is not the tenant/)
  },
)
