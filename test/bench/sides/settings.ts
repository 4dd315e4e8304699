// Settings of the sides that are not ours, from environment variables.

const read = (name: string): string => {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}

/** Where and with what a side works. */
export const settings = {
  port: Number(read('PORT')),
  /** ChatKit API with its version, as `http://127.0.0.1:1234/v1`. */
  baseUrl: read('OPENAI_BASE_URL'),
  apiKey: read('OPENAI_API_KEY'),
  jwksUrl: read('JWKS_URL'),
  sharedSecret: read('SHARED_SECRET'),
  keyPairIssuer: read('KEY_PAIR_ISSUER'),
  secretIssuer: read('SECRET_ISSUER'),
  audience: read('AUDIENCE'),
}

export const CREATE_HEADERS = {
  authorization: `Bearer ${settings.apiKey}`,
  'content-type': 'application/json',
  'openai-beta': 'chatkit_beta=v1',
}

export function createBody(user: string): string {
  return JSON.stringify({ workflow: { id: 'wf_bench' }, user })
}
