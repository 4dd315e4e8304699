// Replaces the addresses of a server's files by links through the gateway. A link is signed and says
// everything, so every instance can follow it: one object, one purpose, one user, one hour.

import { audienceOf } from '../../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { Call } from '../open-call.ts'
import type { FileField } from './file-fields.ts'

/** What a link is for; also the name of its query parameter. */
export type LinkUse = 'upload' | 'file'

/** Header `typ` of a link: neither kind can stand in for the other, or for a client secret. */
export const LINK_TYPES = {
  upload: 'chatkit-upload+jwt',
  file: 'chatkit-file+jwt',
} as const satisfies Record<LinkUse, string>

/** Life of a link, in seconds. */
const SECONDS = 3600
/** Longest address: as a link it has to fit into a request line. */
const MAX_URL_CHARACTERS = 2048
/** Links in one answer; each costs a signature. Addresses beyond it are removed. */
const MAX_LINKS = 1000

/** SVG can hold scripts, so it does not count. */
const PICTURE_DATA = /^data:image\/(?!svg|[\w.+-]*xml)[\w.+-]+[;,]/i

/** Where a link leads: a path with its query, under the origin of one of the workflow's addresses. */
interface Target {
  readonly at: 'server' | 'upload'
  readonly to: string
}

/** {@link createFileLinks} */
export type FileLinks = ReturnType<typeof createFileLinks>

/** @param parts - the keys that sign links */
export function createFileLinks({
  publicUrl,
  keys,
  now,
}: {
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'sign'>
  readonly now: Clock
}) {
  async function linkTo({ workflow, session, generation }: Call, of: FileField, target: Target) {
    const iat = unixSeconds(now)
    const claims = {
      iss: publicUrl,
      aud: audienceOf(workflow.name),
      sub: session.user,
      sid: session.id,
      jti: newId('jti_'),
      iat,
      exp: iat + SECONDS,
      // A revoke since the call was let in has raised the user's generation, and so ended the link.
      generation,
      ...(of.attachment !== undefined && { attachment: of.attachment }),
      ...target,
    }
    const use = of.use === 'upload' ? 'upload' : 'file'
    const link = await keys.sign(claims, LINK_TYPES[use])
    return `${publicUrl.replace(/\/$/, '')}/chatkit/${workflow.name}?${use}=${link}`
  }

  /**
   * Replaces the addresses under the server's origin, and removes those that no page may open.
   *
   * @param call - whose links these are
   * @param fields - of one answer; their holders change
   * @returns whether anything changed
   */
  return async function replaceFiles(call: Call, fields: readonly FileField[]): Promise<boolean> {
    let links = 0
    const changes = fields.map(async (field) => {
      const { holder, key } = field
      const target = judge(field, call.workflow)
      if (target === 'pass') return false
      if (target === 'remove' || ++links > MAX_LINKS) delete holder[key]
      else holder[key] = await linkTo(call, field, target)
      return true
    })
    return (await Promise.all(changes)).includes(true)
  }
}

function judge({ url, use }: FileField, workflow: SelfHostedWorkflow): Target | 'pass' | 'remove' {
  if (PICTURE_DATA.test(url)) return use === 'show' ? 'pass' : 'remove'
  if (url.length > MAX_URL_CHARACTERS) return 'remove'
  if (use === 'cite') return isCitable(url) ? 'pass' : 'remove'
  if (!URL.canParse(url, workflow.server)) return 'remove'
  const { protocol, hostname, origin, pathname, search } = new URL(url, workflow.server)
  const at = placesOf(workflow).find((place) => place.origin === origin)?.at
  if (at !== undefined) {
    const target = { at, to: pathname + search }
    return addressOf(target, workflow) === undefined ? 'remove' : target
  }
  return protocol === 'https:' || (protocol === 'http:' && isLoopback(hostname)) ? 'pass' : 'remove'
}

/** A person opens the source of an answer like any web page; a script is none. */
function isCitable(url: string): boolean {
  return !URL.canParse(url) || ['https:', 'http:', 'mailto:'].includes(new URL(url).protocol)
}

/** `server` comes first: `upload_url` usually has the same origin. */
function placesOf({ server, uploadUrl }: SelfHostedWorkflow) {
  const places = [{ at: 'server' as const, origin: new URL(server).origin }]
  if (uploadUrl === undefined) return places
  return [...places, { at: 'upload' as const, origin: new URL(uploadUrl).origin }]
}

/**
 * @param target - of a link
 * @param workflow - the link's
 * @returns the URL; undefined for one that is not under the workflow's origins, and for the server's own
 * endpoint, where a request would be one of the protocol that nobody has judged
 */
export function addressOf(
  { at, to }: { readonly at: unknown; readonly to: unknown },
  workflow: SelfHostedWorkflow,
): string | undefined {
  const origin = placesOf(workflow).find((place) => place.at === at)?.origin
  // Never resolved: a path that begins with two slashes would lead elsewhere.
  if (origin === undefined || typeof to !== 'string' || !to.startsWith('/')) return undefined
  const server = new URL(workflow.server)
  const isEndpoint = plainPath(new URL(origin + to).pathname) === plainPath(server.pathname)
  return origin === server.origin && isEndpoint ? undefined : origin + to
}

/** A path as the most lenient server would read it. */
function plainPath(pathname: string): string {
  let path = pathname
  try {
    path = decodeURIComponent(pathname)
  } catch {
    // Not UTF-8: it is compared as it is.
  }
  return path
    .replaceAll(/[\\/]+/g, '/')
    .replace(/\/$/, '')
    .toLowerCase()
}
