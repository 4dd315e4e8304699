// Describes the settings of a start for the log.

import type { LogFields } from '../lib/log/fields.ts'
import { VERSION } from '../lib/version.ts'
import type { Setup } from './setup.ts'
import { nameOfStore } from './store-url.ts'

/** The settings in use, so that nobody has to guess which key or file won. */
export function describeStart({ environment, settings }: Setup): LogFields {
  const { openaiBaseUrl, openaiOrgId, openaiProjectId, configFile, store } = environment
  const hosted = settings.workflows.filter((workflow) => workflow.kind === 'hosted')
  const keys = new Set(hosted.map(({ apiKeyEnv }) => apiKeyEnv))
  return {
    version: VERSION,
    node: process.versions.node,
    config: configFile,
    store: nameOfStore(store),
    chatkit_api: openaiBaseUrl,
    base_urls: Object.fromEntries(
      hosted.flatMap(({ name, baseUrl: url }) => (url ? [[name, url]] : [])),
    ),
    organization: openaiOrgId,
    project: openaiProjectId,
    api_keys: Object.fromEntries(
      [...keys].map((name) => [name, environment.secret(name)?.().hint()]),
    ),
    issuers: settings.issuers.map(({ issuer }) => issuer),
    workflows: settings.workflows.map(({ name }) => name),
    public_url: environment.publicUrl,
    proxies: environment.proxies.shown,
  }
}
