// The parts of the config schema with bounds of the service: limits, gateway, retention.

import { z } from 'zod'
import { between } from './checked-text.ts'

const max = between(1, 10_000_000)
const seconds = between(1, 86_400)
const megabytes = between(1, 256)

/** At most `max` calls in each window of `seconds`. */
function rateLimit(most: number) {
  return z
    .strictObject({
      max: max.default(most).describe('The most in one window.'),
      seconds: seconds.default(60).describe('Length of the window, in seconds.'),
    })
    .prefault({})
}

export const limitsSchema = z
  .strictObject({
    mints_per_user: rateLimit(10).describe('Sessions that one user may ask for.'),
    live_sessions_per_user: z
      .strictObject({
        max: max.default(20).describe('The most at a time.'),
        when_full: z
          .enum(['evict_oldest', 'deny'])
          .default('evict_oldest')
          .describe('Whether the oldest session ends, or the new one is refused.'),
      })
      .prefault({})
      .describe('Sessions that one user may have at a time.'),
    failed_auth_per_ip: rateLimit(60).describe(
      'Failed authentications of one address (IPv6: of one /64): bad tokens, client secrets, API keys, links to files, introspection secrets, logout tokens, console sign-ins. A valid token is never refused.',
    ),
    reads_per_user: rateLimit(120).describe(
      "A user's own calls of /v1/threads and below, and links to files that they follow.",
    ),
  })
  .prefault({})
  .describe('Limits for one user or one address; counted in the store.')

export const gatewaySchema = z
  .strictObject({
    max_body_mb: megabytes.default(10).describe('Largest body of a request, in megabytes.'),
    max_frame_mb: megabytes
      .default(32)
      .describe('Longest event of a stream, in megabytes; a picture in it is a data URL.'),
    max_answer_mb: megabytes
      .default(64)
      .describe('Longest answer that is no stream, in megabytes.'),
    memory_mb: between(1, 16_384)
      .default(256)
      .describe(
        'Megabytes for all bodies, events and answers that one instance is reading; one user may hold a quarter at most. Beyond it, calls get 503 `overloaded`. The process needs 200 MB and up to twice this.',
      ),
    body_seconds: seconds.default(120).describe('Seconds in which a body must have arrived.'),
    idle_seconds: seconds
      .default(300)
      .describe('Seconds of silence of a server after which a stream ends.'),
    answer_seconds: seconds
      .default(60)
      .describe('Seconds in which an answer that is no stream must have come.'),
    stream_minutes: between(1, 1440).default(60).describe('Longest stream, in minutes.'),
    streams_per_user: between(1, 1000)
      .default(10)
      .describe('Streams that one user may have at a time; one more is 429 `rate_limited`.'),
    allow_unknown_types: z
      .boolean()
      .default(false)
      .describe('Whether request types that this version does not know are forwarded.'),
  })
  .prefault({})
  .describe('Bounds for self-hosted workflows (those with `server`).')

export const retentionSchema = z
  .strictObject({
    sessions_hours: between(1, 87_600)
      .default(24)
      .describe('Hours for which an ended session is kept, at least as long as a stream may run.'),
    audit_days: between(1, 3650).default(30).describe('Days for which an audit entry is kept.'),
    users_days: between(1, 3650)
      .default(400)
      .describe('Days for which a user is known after the last session.'),
  })
  .prefault({})
  .describe('Time for which ended sessions, audit entries and known users are kept.')
