// Checks the names of headers in the config: `token_header` in which a proxy puts the token, `client_ip_header` in which
// it puts the client's address, `forward_headers` to a self-hosted server, and `expose_headers` from it to the page.
// None of them may already have another meaning.

import { z } from 'zod'
import { checkedText } from './checked-text.ts'

const NAME = /^[\w!#$%&'+.^`|~-]{1,128}$/

/** Headers about one connection (RFC 9110 §7.6.1). */
const HOP_BY_HOP = 'connection|keep-alive|te|trailers?|transfer-encoding|upgrade|proxy-.*'

/** Request headers that say who asks, from where, or how to read the message, and those that this service sets. */
const NEVER_FORWARDED = new RegExp(
  `^(?:${HOP_BY_HOP}|authorization|cookie|host|origin|referer|content-.*|sec-.*|expect|accept-encoding|` +
    'forwarded|via|x-forwarded.*|.*client-?ip|.*real-ip|x-envoy-external-address|cf-.*|' +
    'x-original-.*|x-rewrite-url|x-http-method.*|x-request-id|x-chatkit-.*)$',
)

/**
 * Headers that HTTP, a browser, an SDK or a proxy sets by itself: a request could carry one that is not meant
 * as a token. The two exceptions only ever hold a token (oauth2-proxy, Cloudflare Access).
 */
const NEVER_A_TOKEN = new RegExp(
  `^(?:${HOP_BY_HOP}|authorization|cookie2?|set-cookie2?|host|origin|referer|from|user-agent|date|dnt|expect|range|` +
    'if-.*|max-forwards|pragma|cache-control|accept.*|content-.*|sec-.*|access-control-.*|http2-settings|priority|' +
    'early-data|save-data|last-event-id|ping-.*|service-worker.*|device-memory|dpr|width|viewport-.*|rtt|downlink|ect|' +
    'alt-used|available-dictionary|dictionary-id|attribution-reporting-.*|(?:x-)?purpose|x-moz|x-client-data|' +
    'upgrade-insecure-requests|x-requested-with|openai-.*|x-stainless-.*|idempotency-key|' +
    'forwarded|via|x-forwarded(?!-access-token$).*|.*client-ip|.*real-ip|.*trace.*|baggage|b3|x-b3-.*|' +
    'x-ot-span-context|newrelic|x-scheme|x-host|x-nginx-proxy|x-arr-.*|x-appservice-.*|x-appengine-.*|(?:x-)?akamai-.*|' +
    'cf-(?!access-jwt-assertion$).*|cdn-.*|fly-.*|fastly-.*|x-azure-.*|x-envoy-.*|x-vercel-.*|x-(?:request|correlation)-id|' +
    'x-original-.*|x-rewrite-url|x-http-method.*|x-chatkit-.*)$',
)

/** Headers that never hold an address alone. With one of them, all clients behind the proxy would count as one. */
const NEVER_AN_ADDRESS = new RegExp(
  `^(?:${HOP_BY_HOP}|forwarded|via|authorization|cookie|host|origin|referer|user-agent|content-.*|sec-.*|accept.*)$`,
)

/**
 * Response headers that change how a browser treats the answer or the service's origin, and those that this
 * service sets.
 */
const NEVER_EXPOSED = new RegExp(
  `^(?:${HOP_BY_HOP}|set-cookie2?|access-control-.*|content-.*|cache-control|location|refresh|link|` +
    'clear-site-data|strict-transport-security|www-authenticate|service-worker-allowed|' +
    'x-request-id|x-content-type-options|x-frame-options|referrer-policy|permissions-policy|' +
    'cross-origin-.*|origin-agent-cluster|sourcemap|x-sourcemap|nel|report-to|reporting-endpoints|' +
    'accept-ch|critical-ch|set-login|activate-storage-access|observe-browsing-topics|attribution-reporting-.*|' +
    'speculation-rules|use-as-dictionary|document-policy.*|expect-ct|public-key-pins.*|' +
    'alt-svc|vary|allow|date|age|expires|pragma|retry-after|ratelimit.*)$',
)

function headerName(never: RegExp, refusal: string) {
  return checkedText((value) => {
    // A header's name may have a "*" (RFC 9110 §5.6.2), but none has; whoever writes one means all headers.
    if (value.includes('*')) return 'must be one header, without "*"; write each name'
    if (!NAME.test(value)) return 'must be a header name'
    return never.test(value.toLowerCase()) ? refusal : undefined
  })
}

/** At most 20, in lower case. */
function headerNames(never: RegExp, refusal: string) {
  return z
    .array(headerName(never, refusal))
    .max(20, 'must not have more than 20 entries')
    .default([])
    .transform((names) => [...new Set(names.map((one) => one.toLowerCase()))])
}

export const tokenHeader = headerName(
  NEVER_A_TOKEN,
  'must not be one that HTTP, browsers or proxies set for something else; name the one in which your proxy puts the token',
)
export const clientIpHeader = headerName(
  NEVER_AN_ADDRESS,
  'must be one that holds an address alone, as X-Forwarded-For or fly-client-ip',
)
export const forwardHeaders = headerNames(
  NEVER_FORWARDED,
  'must not go from a page to the server; choose a name of your own',
)
export const exposeHeaders = headerNames(
  NEVER_EXPOSED,
  'must not go from the server to a page; choose a name of your own',
)
