import type { ChatKitOptions, CustomApiConfig, HostedApiConfig } from '@openai/chatkit'
import { createChatKitFetch, createGetClientSecret } from '../../../src/client/client.js'

// What ChatKit's options ask for, and what is called as they call it.

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
