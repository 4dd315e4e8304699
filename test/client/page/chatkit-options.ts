import type { ChatKitOptions, CustomApiConfig, HostedApiConfig } from '@openai/chatkit'
import { createChatKitFetch, createGetClientSecret } from '../../../src/client/client.js'

// The functions that ChatKit's options accept, and calls of them as ChatKit makes them.

const options = { url: 'https://chat.example.com', getToken: async () => 'a token' }

/** A hosted workflow. */
export const hosted: HostedApiConfig = { getClientSecret: createGetClientSecret(options) }

/** A self-hosted one. */
export const custom: CustomApiConfig = {
  url: 'https://chat.example.com/chatkit/helpdesk',
  domainKey: 'domain_pk_example',
  fetch: createChatKitFetch({ ...options, workflow: 'helpdesk' }),
}

export const all: ChatKitOptions[] = [{ api: hosted }, { api: custom }]
