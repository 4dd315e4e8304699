import OpenAI from 'openai'

/**
 * The vendor's own client for the ChatKit API, as independent a judge of the embedded one as there is.
 *
 * @param baseURL - of the API, with `/v1`
 */
export function officialClient(baseURL: string, apiKey = 'sk-test-0123456789'): OpenAI {
  return new OpenAI({ baseURL, apiKey, organization: null, project: null, maxRetries: 0 })
}
