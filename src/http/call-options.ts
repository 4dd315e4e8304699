import type { CallOptions } from '../chatkit/port.ts'
import { ServiceError } from '../lib/errors.ts'
import type { AppContext } from './app-env.ts'

/**
 * What goes with the upstream calls of a request: they end when the client leaves, and what the last
 * of them cost stands in the access log.
 *
 * @param c - the request
 */
export function callOptions(c: AppContext): CallOptions {
  const controller = new AbortController()
  const gone = () =>
    controller.abort(new ServiceError('request_timeout', { reason: 'the client is gone' }))
  const { signal } = c.req.raw
  if (signal.aborted) gone()
  else signal.addEventListener('abort', gone, { once: true })
  return {
    signal: controller.signal,
    observe: (call) => {
      c.get('trace').upstream = call
    },
  }
}
