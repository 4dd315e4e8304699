// Replaces the addresses of a server's files by signed links through the gateway, and recognises a request with such a
// link. A link contains everything that any instance needs to follow it. It is valid for one file, one purpose, one user
// and one hour.

import {
  type FileTarget,
  isOwnDomain,
  judgeAddress,
  MAX_URL_CHARACTERS,
} from '../../chatkit/protocol/file-address.ts'
import type { FileField } from '../../chatkit/protocol/file-fields.ts'
import { audienceOf } from '../../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import { setHeader } from '../../http/answer.ts'
import type { AppContext } from '../../http/context.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { ServiceError } from '../../lib/errors.ts'
import { newId } from '../../lib/ids.ts'
import type { Call } from '../open-call.ts'

/** The purpose of a link; also the name of its query parameter. */
export type LinkUse = 'upload' | 'file'

/** The header `typ` of a link, so that neither kind is accepted as the other kind, or as a client secret. */
export const LINK_TYPES = {
  upload: 'chatkit-upload+jwt',
  file: 'chatkit-file+jwt',
} as const satisfies Record<LinkUse, string>

/** Lifetime of a link, in seconds. */
const SECONDS = 3600
/** Most links in one answer or event, because each costs an HMAC. Further addresses are removed. */
const MAX_LINKS = 1000
/**
 * For how many seconds a stream reuses its link for an address. A widget is sent again with each change, and
 * with a new link the page would load its pictures again.
 */
const REPEATED_SECONDS = 300
/** Most addresses whose links are kept, at most about 6 kB each. */
const MOST_KEPT = 100

/**
 * @returns the purpose of the request's link; undefined for a request without a link
 * @throws `method_not_allowed` when the method does not fit the link, or needs a link
 */
export function linkUseOf(c: AppContext): LinkUse | undefined {
  const { method } = c.req
  const forUpload = c.req.query('upload') === undefined ? undefined : 'upload'
  const use = c.req.query('file') === undefined ? forUpload : 'file'
  const allowed = use === 'file' ? ['GET', 'HEAD'] : use === 'upload' ? ['PUT', 'POST'] : ['POST']
  if (allowed.includes(method)) return use
  setHeader(c, 'Allow', [...allowed, 'OPTIONS'].join(', '))
  const reason = use
    ? 'another purpose than that of the link'
    : `a chat is a POST, and ${method} needs a link`
  throw new ServiceError('method_not_allowed', { reason })
}

export type LinksFor = ReturnType<typeof createFileLinks>

export function createFileLinks({
  publicUrl,
  keys,
  now,
}: {
  readonly publicUrl: string
  readonly keys: Pick<SigningKeys, 'signForSelf'>
  readonly now: Clock
}) {
  function linkTo({ workflow, session, generation }: Call, of: FileField, target: FileTarget) {
    const iat = unixSeconds(now)
    const claims = {
      ...{ iss: publicUrl, aud: audienceOf(workflow.name), sub: session.user, sid: session.id },
      ...{ jti: newId('jti_'), iat, exp: iat + SECONDS },
      // A revoke after the call was opened raises the user's generation and so ends the link.
      generation,
      ...(of.attachment !== undefined && { attachment: of.attachment }),
      ...(of.headers !== undefined && { headers: of.headers }),
      ...target,
    }
    const use = of.use === 'upload' ? 'upload' : 'file'
    const link = keys.signForSelf(claims, LINK_TYPES[use])
    return `${publicUrl.replace(/\/$/, '')}/chatkit/${workflow.name}?${use}=${link}`
  }

  /** @param call - the links are for its user and session */
  return function linksFor(call: Call) {
    let kept = new Map<
      string,
      { readonly attachment: string | undefined; readonly address: string }
    >()
    let keptSince = unixSeconds(now)

    /** @returns the address if it may stay, or a link; undefined for an address that nobody may open */
    function addressFor(field: FileField, mayLink: boolean): string | undefined {
      const target = judgeAddress(field, call.workflow)
      if (target === 'pass') return field.url
      return target === 'remove' || !mayLink ? undefined : linkTo(call, field, target)
    }

    function repeatedAddressFor(field: FileField, mayLink: boolean): string | undefined {
      const { use, attachment, url } = field
      const isLong = url.length + (attachment?.length ?? 0) > MAX_URL_CHARACTERS
      if (isLong || field.headers !== undefined) return addressFor(field, mayLink)
      if (kept.size >= MOST_KEPT || unixSeconds(now) - keptSince >= REPEATED_SECONDS) {
        kept = new Map()
        keptSince = unixSeconds(now)
      }
      const name = `${use}:${url}`
      const before = kept.get(name)
      if (before !== undefined && before.attachment === attachment) return before.address
      const address = addressFor(field, mayLink)
      if (address !== undefined) kept.set(name, { attachment, address })
      return address
    }

    /**
     * Replaces the addresses under the server's origins by links, and removes those that no page may open.
     *
     * @param fields - of one answer or event, which is changed in place
     * @returns whether anything changed
     */
    return function replaceFiles(fields: readonly FileField[]): boolean {
      let links = 0
      let changed = false
      for (const field of fields) {
        const { holder, key, url, use } = field
        if (use === 'allow') {
          if (allowLinks(field, publicUrl, call)) changed = true
          continue
        }
        const address = repeatedAddressFor(field, links < MAX_LINKS)
        if (address === url) continue
        changed = true
        if (address === undefined) delete holder[key]
        else {
          holder[key] = address
          links++
        }
      }
      return changed
    }
  }
}

/** Lets the page show links to the server's pictures where it may show the pictures themselves. */
function allowLinks({ holder, key, url }: FileField, publicUrl: string, { workflow }: Call) {
  if (!isOwnDomain(url, workflow)) return false
  const allowed = holder[key]
  const { hostname } = new URL(publicUrl)
  if (!Array.isArray(allowed) || allowed.includes(hostname)) return false
  holder[key] = [...allowed, hostname]
  return true
}
