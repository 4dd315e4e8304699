import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { ask, input } from '../support/chatkit/server-client.ts'
import { startKeyServer } from '../support/key-server.ts'
import { startServiceProcess } from '../support/service-process.ts'
import { claimsOf, createSigner } from '../support/tokens.ts'

const ORIGIN = 'https://app.acme.example'

/** The requests whose paths are measured. */
export type RequestName = 'mint' | 'admin-revoke' | 'own-threads' | 'gateway-stream'

/** The service as a process of its own, over SQLite, and one call of each request. */
export async function startScene() {
  const signer = createSigner('ES256')
  const folder = mkdtempSync(join(tmpdir(), 'chatkit-mint-walk-'))
  const [keys, api, server] = await Promise.all([
    startKeyServer([signer.publicJwk]),
    startChatKitApi({ port: 0 }),
    startSampleServer(),
  ])
  const service = await startServiceProcess({
    config: configOf(keys, server.url),
    env: {
      OPENAI_API_KEY: 'sk-walk-0123456789abcdef0123',
      OPENAI_BASE_URL: api.url,
      PUBLIC_URL: 'https://mint.acme.test',
      STORE_URL: `sqlite:${join(folder, 'store.db')}`,
    },
    nodeArguments: ['--inspect=127.0.0.1:0'],
    from: 'checkout',
  })
  let tokens = 0
  /** Each is one that the service has not seen. */
  const token = (sub: string, roles: readonly string[] = []) => {
    return signer.token(claimsOf(keys.issuer, Date.now(), { sub, roles, jti: `${++tokens}` }))
  }
  const send = (path: string, bearer: string, body?: unknown) => {
    return fetch(service.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { ...headersOf(bearer), 'content-type': 'application/json' },
      body: body === undefined ? null : JSON.stringify(body),
    })
  }
  const mint = (workflow: string) => send('/v1/sessions', token('alice'), { workflow })
  let minted: { client_secret: string } | undefined
  const ada = token('ada', ['chatkit-admin'])
  // Without threads of the self-hosted workflow, which is looked up in the registry.
  const bob = token('bob')
  const calls: Readonly<Record<RequestName, () => Promise<Response>>> = {
    mint: () => mint('support'),
    'admin-revoke': () => send('/v1/admin/users/carol/revoke', ada, {}),
    'own-threads': () => send('/v1/threads', bob),
    'gateway-stream': async () => {
      // Not before it is needed, as on a busy machine the meter of the loop's lag goes on after a mint.
      minted ??= (await (await mint('helpdesk')).json()) as { client_secret: string }
      return ask(`${service.url}/chatkit/helpdesk`, ['threads.create', { input: input('hi') }], {
        headers: headersOf(minted.client_secret),
      })
    },
  }
  return {
    service,
    calls,
    async close() {
      await service.close()
      await Promise.all([keys.close(), api.close(), server.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function headersOf(bearer: string) {
  return { authorization: `Bearer ${bearer}`, origin: ORIGIN }
}

function configOf(keys: { issuer: string; jwksUri: string }, server: string): string {
  return `
issuers:
  - { issuer: '${keys.issuer}', audience: [chat-api], algorithms: [ES256], jwks_uri: '${keys.jwksUri}' }
user: claims.sub
workflows:
  support: { id: wf_support }
  helpdesk: { server: '${server}', rate_limits: { max_requests_per_1_minute: 1000 } }
cors: { origins: ['${ORIGIN}'] }
admins: { when: '"chatkit-admin" in claims.roles', origins: ['${ORIGIN}'] }
limits:
  mints_per_user: { max: 1000, seconds: 60 }
  live_sessions_per_user: { max: 1000 }
`
}
