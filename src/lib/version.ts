// The version and the license of this service, and the name under which it makes calls.

import manifest from '../../package.json' with { type: 'json' }

const { version, license }: { version: string; license?: string } = manifest

/** `0.2.0` */
export const VERSION = version

/** Undefined where package.json names none. */
export const LICENSE = license

/**
 * `User-Agent` of every call that this service and its command line make: bot rules in front of an API
 * refuse calls without one.
 */
export const USER_AGENT = `chatkit-mint/${VERSION}`
