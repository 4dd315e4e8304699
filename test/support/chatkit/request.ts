import type { ChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { jsonOrUndefined } from '../../../src/lib/json.ts'

/** Headers that the API requires of every call. */
export const CREDENTIALS = {
  authorization: 'Bearer sk-test-0123456789',
  'openai-beta': 'chatkit_beta=v1',
}

/** A request in parts; `json` becomes the body with its content type. */
export interface RequestParts {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly json?: unknown
  readonly body?: string
  readonly signal?: AbortSignal
}

/**
 * Calls the embedded API in this process, with credentials unless `headers` says otherwise.
 *
 * @param path - with query
 * @param parts - GET without a body when absent
 */
export async function apiRequest(api: ChatKitApi, path: string, parts: RequestParts = {}) {
  const { json, headers = CREDENTIALS, ...rest } = parts
  const init =
    json === undefined
      ? { ...rest, headers }
      : {
          ...rest,
          method: rest.method ?? 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(json),
        }
  const response = await api.app.request(path, init)
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, body: jsonOrUndefined(text) }
}
