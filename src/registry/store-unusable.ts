/**
 * The store cannot be used at all: corrupt, not writable, not a database of ours, or written by a
 * newer version. The process ends with exit code 74; the message says what and where.
 */
export class StoreUnusableError extends Error {
  override readonly name = 'StoreUnusableError'
}
