// The version of this service, and the name under which it makes calls.

import manifest from '../../package.json' with { type: 'json' }

/**
 * `User-Agent` of every call that this service and its command line make: bot rules in front of an API
 * refuse calls without one.
 */
export const USER_AGENT = `chatkit-mint/${manifest.version}`
