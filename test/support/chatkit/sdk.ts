import OpenAI from 'openai'

/**
 * OpenAI's own client for the ChatKit API, an independent check of the embedded one.
 *
 * @param baseURL - of the API, with `/v1`
 */
export function officialClient(baseURL: string, apiKey = 'sk-test-0123456789'): OpenAI {
  return new OpenAI({ baseURL, apiKey, organization: null, project: null, maxRetries: 0 })
}
