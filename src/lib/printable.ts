// Writes text for people: untrusted text made safe for terminals and for logs that are read line by line, and numbers
// of things.

const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** Characters that JSON leaves alone: DEL, C1 controls, and those that change the direction of text. */
const UNSAFE_IN_JSON = /[\u007f-\u009f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g

/**
 * Untrusted text, made safe to print. A title with escape sequences could otherwise overwrite what a terminal
 * shows, and bidirectional controls could make one id look like another.
 *
 * @param text - of anyone
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, (char) => {
    return char === '\n' ? '\\n' : `\\u{${char.codePointAt(0)?.toString(16)}}`
  })
}

/** The same for JSON text, which stays valid JSON. */
export function escapeInJson(json: string): string {
  return json.replace(UNSAFE_IN_JSON, (char) => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Text as one word of a shell, which then reads no character of it as its own. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** `1 session`, `2 sessions` */
export function count(size: number, what: string): string {
  return `${size} ${what}${size === 1 ? '' : 's'}`
}
