// Starts the embedded OpenID provider on loopback, with a page on which a person chooses an account.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import type { Provider } from 'oidc-provider/lib/provider.js'
import { isLoopbackUrl } from '../kit/app.ts'
import { listenOnLoopback } from '../kit/listen.ts'
import { type Accounts, SAMPLE_ACCOUNTS } from './accounts.ts'
import { type SignInClient, WEB_APP } from './clients.ts'
import { newSigningKey, type SignInAlgorithm } from './keys.ts'
import { accountPage, errorPage, welcomePage } from './pages.ts'
import { AUDIENCE, createProvider, SIGN_IN_PATH } from './provider.ts'
import { createTokenEndpoint, TOKENS_PATH } from './token-endpoint.ts'
import { createTokenMaker, type MadeIssuer } from './token-maker.ts'

/** A sign-in that listens on loopback. */
export type SignInServer = Awaited<ReturnType<typeof startSignIn>>

/**
 * An OpenID provider for development: authorization code flow with PKCE, access tokens as JWTs of RFC 9068,
 * back-channel logout, and a page on which a person chooses an account. Keys are new at each start, and
 * everything is in memory. It uses the real clock.
 *
 * @param options - everything but the port has a default
 * @throws Node's own error when the port is taken
 */
export async function startSignIn({
  port,
  algorithm = 'ES256',
  accounts = SAMPLE_ACCOUNTS,
  clients = [WEB_APP],
  tokenSeconds = 3600,
  issuers: others = [],
}: {
  /** 0 for a free one. */
  readonly port: number
  /** Algorithm of all tokens. */
  readonly algorithm?: SignInAlgorithm
  /** alice, bob and ada when absent. */
  readonly accounts?: Accounts
  readonly clients?: readonly SignInClient[]
  /** Life of the tokens. */
  readonly tokenSeconds?: number
  /** Issuers besides the sign-in itself whose tokens it makes on request; the first is the default. */
  readonly issuers?: readonly MadeIssuer[]
}) {
  const [client = WEB_APP] = clients
  const key = await newSigningKey(algorithm)
  const server = createServer()
  const { origin: issuer, close } = await listenOnLoopback(server, port)
  const provider = createProvider({ issuer, key, accounts, clients, tokenSeconds })
  const own = { settings: shapeOf(issuer), key }
  const issuers = [...others, own]
  const makeToken = createTokenMaker({ issuers, accounts, now: Date.now })
  attach(server, provider, { accounts, makeToken })
  return {
    /** The issuer for the service's config; discovery and key set are below it. */
    issuer,
    /** The first client. */
    client,
    accounts,
    /** Like `POST /_embedded/tokens`. */
    makeToken,
    close,
  }
}

/** The provider's access tokens, which follow RFC 9068. */
function shapeOf(issuer: string): MadeIssuer['settings'] {
  return {
    issuer,
    tenant: undefined,
    audience: [AUDIENCE],
    audienceClaim: 'aud',
    tokenTypes: ['at+jwt'],
    requiredClaims: [],
    cookie: undefined,
    tokenHeader: undefined,
    maxTokenAgeSeconds: undefined,
  }
}

function attach(
  server: Server,
  provider: Provider,
  { accounts, makeToken }: Pick<SignInServer, 'accounts' | 'makeToken'>,
): void {
  const serve = provider.callback()
  const answerToken = createTokenEndpoint(makeToken)
  server.on('request', (request, response) => {
    // A page whose domain was made to resolve to this machine (DNS rebinding) sends its own name in `Host`.
    if (!isLoopbackUrl(`http://${request.headers.host}`))
      answer(response, 403, errorPage('Only for this machine.'))
    else if (request.url === '/') answer(response, 200, welcomePage())
    else if (request.url === TOKENS_PATH) void answerToken(request, response)
    else if (request.url?.startsWith(SIGN_IN_PATH)) void chooseAccount(request, response)
    else serve(request, response)
  })

  async function chooseAccount(request: IncomingMessage, response: ServerResponse) {
    try {
      await provider.interactionDetails(request, response)
      if (request.method !== 'POST') return answer(response, 200, accountPage(accounts))
      const accountId = new URLSearchParams(await text(request)).get('account') ?? ''
      if (!Object.hasOwn(accounts, accountId)) {
        return answer(response, 400, errorPage('There is nobody of that name here.'))
      }
      await provider.interactionFinished(request, response, { login: { accountId } })
    } catch {
      answer(response, 400, errorPage('This sign-in has ended, or began in another browser.'))
    }
  }
}

function answer(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, {
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Security-Policy':
      "default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'none'",
  })
  response.end(page)
}
