// Recognises texts that cannot be an API key: a placeholder of the documentation, or a key copied with its
// surroundings.

/** `My API Key`, `YOUR_API_KEY`, `$OPENAI_API_KEY`, `<key>`, `sk-…`. */
const PLACEHOLDER =
  /^(?:[$<{]|sk-(?:\.\.|…)|(?:my|your)[\s_-]?(?:openai[\s_-]?)?(?:api[\s_-]?)?key)/i

/** Ids and secrets that stand beside the API key in OpenAI's console and in ChatKit's guides. */
const SOMETHING_ELSE = /^(?:domain_pk|wf|ek|org|proj|cksess)[_-]/

/**
 * Why a text cannot be an API key.
 *
 * @param text - trimmed
 * @returns the end of a sentence about the variable, with advice but no part of the text; undefined for a
 * possible key
 */
export function apiKeyProblem(text: string): string | undefined {
  if (text === '') return 'is empty'
  if (/^["'`]|["'`]$/.test(text)) return 'is in quotes; leave them out'
  if (/^(?:export\s+)?[A-Za-z_]\w*=[^=]/.test(text))
    return 'is written as NAME=value; give the value alone'
  if (PLACEHOLDER.test(text)) {
    return 'is a placeholder, and no key; put a key of your project in its place'
  }
  if (SOMETHING_ELSE.test(text)) {
    return 'is a domain key or an id, and no API key; put a key of your project (sk-…) in its place'
  }
  if (!/^[\x20-\x7e]+$/.test(text)) return 'has characters that no key has; paste it again'
  return text.includes(' ') ? 'has white space inside, and so is no key; paste it again' : undefined
}
