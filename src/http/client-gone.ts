import { ServiceError } from '../lib/errors.ts'

/** What ends the calls of a request whose client has left; nobody reads it but the log. */
export function clientGone(): ServiceError {
  return new ServiceError('request_timeout', { reason: 'the client is gone' })
}
