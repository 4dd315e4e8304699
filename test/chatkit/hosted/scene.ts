import { Pool } from 'undici'
import { afterEach, beforeEach } from 'vitest'
import type { ApiClientOptions } from '../../../src/chatkit/hosted/api-client.ts'
import { createOpenAi } from '../../../src/chatkit/hosted/openai.ts'
import { Secret } from '../../../src/lib/secret.ts'
import { startScriptedUpstream } from '../../support/chatkit/scripted-upstream.ts'
import { forEachTest } from '../../support/started.ts'

/** Makes adapters in front of an upstream that each test scripts; their connections end with the test. */
export function createScene(connections: number) {
  const upstream = forEachTest(() => startScriptedUpstream())
  let pool: Pool
  beforeEach(() => {
    pool = new Pool(new URL(upstream.url).origin, { connections })
  })
  afterEach(() => pool.destroy())
  const adapter = (options: Partial<ApiClientOptions> = {}) =>
    createOpenAi({
      baseUrl: upstream.url,
      apiKey: () => new Secret('sk-first'),
      dispatcherFor: () => pool,
      ...options,
    })
  return { upstream, adapter }
}
