// Replaces the addresses of a server's files by signed links through the gateway. A link holds all that is
// needed to follow it, on any instance. It is for one file, one purpose, one user and one hour.

import { audienceOf } from '../../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import type { SelfHostedWorkflow } from '../../config/settings.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import { isLoopback } from '../../lib/loopback.ts'
import type { Call } from '../open-call.ts'
import type { FileField } from './file-fields.ts'

/** The purpose of a link; also the name of its query parameter. */
export type LinkUse = 'upload' | 'file'

/** Header `typ` of a link, so that neither kind is accepted as the other, or as a client secret. */
export const LINK_TYPES = {
  upload: 'chatkit-upload+jwt',
  file: 'chatkit-file+jwt',
} as const satisfies Record<LinkUse, string>

/** Lifetime of a link, in seconds. */
const SECONDS = 3600
/** Longest address that becomes a link: the link must fit into a request line. */
const MAX_URL_CHARACTERS = 2048
/** Most links in one answer or event: each costs a signature. Further addresses are removed. */
const MAX_LINKS = 1000

/** A `data:` URL of a picture. SVG and other XML are excluded: they can hold scripts. */
const PICTURE_DATA = /^data:image\/(?!svg|[\w.+-]*xml)[\w.+-]+[;,]/i

/** The target of a link: a path with its query, under the origin of the workflow's `server` or `upload_url`. */
interface Target {
  readonly at: 'server' | 'upload'
  readonly to: string
}

/** {@link createFileLinks} */
export type FileLinks = ReturnType<typeof createFileLinks>

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
      // A revoke after the call was opened raises the user's generation, which ends the link.
      generation,
      ...(of.attachment !== undefined && { attachment: of.attachment }),
      ...target,
    }
    const use = of.use === 'upload' ? 'upload' : 'file'
    const link = await keys.sign(claims, LINK_TYPES[use])
    return `${publicUrl.replace(/\/$/, '')}/chatkit/${workflow.name}?${use}=${link}`
  }

  /**
   * Replaces the addresses under the server's origins by links, and removes those that no page may open.
   *
   * @param call - the links are made for this user and session
   * @param fields - of one answer or event, which is changed
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

/** A person may open a cited source like any web page, but not a `javascript:` or similar URL. */
function isCitable(url: string): boolean {
  return !URL.canParse(url) || ['https:', 'http:', 'mailto:'].includes(new URL(url).protocol)
}

/** `server` comes first, so it wins if `upload_url` has the same origin. */
function placesOf({ server, uploadUrl }: SelfHostedWorkflow) {
  const places = [{ at: 'server' as const, origin: new URL(server).origin }]
  if (uploadUrl === undefined) return places
  return [...places, { at: 'upload' as const, origin: new URL(uploadUrl).origin }]
}

/**
 * @returns the URL of a target; undefined for one that is not under the workflow's origins, and for the
 * server's own endpoint: a request there would be a request of the protocol that was not judged
 */
export function addressOf(
  { at, to }: { readonly at: unknown; readonly to: unknown },
  workflow: SelfHostedWorkflow,
): string | undefined {
  const origin = placesOf(workflow).find((place) => place.at === at)?.origin
  // The path is appended, never resolved: resolved, one that begins with two slashes would lead elsewhere.
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
    // A path that is not UTF-8 is compared undecoded.
  }
  return path
    .replaceAll(/[\\/]+/g, '/')
    .replace(/\/$/, '')
    .toLowerCase()
}
