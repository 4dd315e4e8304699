import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import { expect, test } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { HIGH_LIMITS, startService } from '../support/running-service.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

// As many tenants of one provider as the config takes, whose keys are all at one host.

const MOST_TENANTS = 100

const tenants = Array.from({ length: MOST_TENANTS }, () => randomUUID())
const signer = createSigner('ES256')

/** Answers for a tenant's discovery document only when it is asked for all of them: no tenant may wait for another. */
async function startProvider() {
  const waiting = new Map<string, ServerResponse>()
  const http = createServer((request, response) => {
    const [, tenant = ''] = request.url?.split('/') ?? []
    response.setHeader('content-type', 'application/json')
    if (request.url === `/${tenant}/keys`) {
      response.end(JSON.stringify({ keys: [signer.publicJwk] }))
      return
    }
    waiting.set(tenant, response)
    if (waiting.size < MOST_TENANTS) return
    for (const [one, held] of waiting) {
      held.end(
        JSON.stringify({ issuer: `${origin}/${one}/v2.0`, jwks_uri: `${origin}/${one}/keys` }),
      )
    }
  })
  const { origin } = await listenOnLoopback(http)
  return { origin, close: () => http.closeAllConnections() }
}

test('the keys of each of a hundred tenants are fetched at once', async () => {
  const provider = await startProvider()
  const service = await startService({
    config: `
issuers:
  - issuer: '${provider.origin}/{tenantid}/v2.0'
    tenants: [${tenants.join(', ')}]
    audience: [chat-api]
    algorithms: [ES256]
user: 'issuer + "|" + claims.sub'
workflows: { support: { id: wf_support } }
${HIGH_LIMITS}
`,
  })
  const mints = tenants.map(async (tid) => {
    const claims = claimsOf(`${provider.origin}/${tid}/v2.0`, Date.now())
    return (await service.mint(signer.token({ ...claims, tid }))).status
  })
  const statuses = await Promise.all(mints)
  provider.close()
  await service.stop(0)
  expect(statuses.filter((status) => status !== 200)).toEqual([])
})
