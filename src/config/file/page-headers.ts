// Checks the names of headers that go through the gateway: `forward_headers` to a self-hosted server, and
// `expose_headers` from it to the page. None may be one that decides who somebody is or how a message is framed.

import { z } from 'zod'
import { checkedText } from './checked-text.ts'

const NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/

/** RFC 9110 §7.6.1: they are about one connection. */
const HOP_BY_HOP = 'connection|keep-alive|te|trailers?|transfer-encoding|upgrade|proxy-.*'

/** In a request they say who asks or from where, or how to read the message; or we set them ourselves. */
const NEVER_FORWARDED = new RegExp(
  `^(?:${HOP_BY_HOP}|authorization|cookie|host|origin|referer|content-.*|sec-.*|expect|accept-encoding|` +
    'forwarded|via|x-forwarded.*|x-real-ip|x-client-ip|true-client-ip|cf-.*|fly-client-ip|' +
    'x-original-.*|x-rewrite-url|x-http-method.*|x-request-id|x-chatkit-.*)$',
)

/** In an answer they change what a browser does with it or with the service's origin; or are ours. */
const NEVER_EXPOSED = new RegExp(
  `^(?:${HOP_BY_HOP}|set-cookie2?|access-control-.*|content-.*|cache-control|location|refresh|link|` +
    'clear-site-data|strict-transport-security|www-authenticate|service-worker-allowed|' +
    'x-request-id|x-content-type-options|x-frame-options|referrer-policy|permissions-policy|' +
    'cross-origin-.*|origin-agent-cluster|sourcemap|x-sourcemap|nel|report-to|reporting-endpoints|' +
    'alt-svc|vary|allow|date|age|expires|pragma|retry-after|ratelimit.*)$',
)

/** At most 20, in lower case. */
function headerNames(never: RegExp, refusal: string) {
  const name = checkedText((value) => {
    if (!NAME.test(value)) return 'must be a header name'
    return never.test(value.toLowerCase()) ? refusal : undefined
  })
  return z
    .array(name)
    .max(20, 'must not have more than 20 entries')
    .default([])
    .transform((names) => [...new Set(names.map((one) => one.toLowerCase()))])
}

export const forwardHeaders = headerNames(
  NEVER_FORWARDED,
  'must not go from a page to the server; choose a name of your own',
)
export const exposeHeaders = headerNames(
  NEVER_EXPOSED,
  'must not go from the server to a page; choose a name of your own',
)
