// The part of oidc-provider's API that the embedded sign-in uses; the package brings no types.

declare module 'oidc-provider/lib/provider.js' {
  import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'

  export interface Session {
    readonly accountId?: string
    sidFor(clientId: string): string | undefined
    grantIdFor(clientId: string): string | undefined
  }

  export interface Grant {
    addOIDCScope(scope: string): void
    addResourceScope(resource: string, scope: string): void
    save(): Promise<string>
  }

  export interface AccessToken {
    readonly accountId?: string
    readonly clientId: string
    readonly sessionUid?: string
  }

  export interface KoaContext {
    type: string
    body: unknown
    readonly oidc: {
      readonly provider: Provider
      readonly session: Session & { readonly accountId: string }
      readonly client: { readonly clientId: string }
    }
  }

  export interface Interaction {
    readonly prompt: { readonly name: string }
  }

  export class Provider {
    constructor(issuer: string, configuration: Readonly<Record<string, unknown>>)
    readonly issuer: string
    readonly Session: { findByUid(uid: string): Promise<Session | undefined> }
    readonly Grant: {
      new (owner: { accountId: string; clientId: string }): Grant
      find(id: string): Promise<Grant | undefined>
    }
    callback(): RequestListener
    interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>
    interactionFinished(
      request: IncomingMessage,
      response: ServerResponse,
      result: Readonly<Record<string, unknown>>,
    ): Promise<void>
  }
}

declare module 'oidc-provider/lib/adapters/memory_adapter.js' {
  export function createMemoryAdapter(): (model: string) => object
}

declare module 'oidc-provider/lib/helpers/interaction_policy/index.js' {
  export function base(): { remove(prompt: string): void }
}
