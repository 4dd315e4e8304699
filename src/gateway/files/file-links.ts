// Replaces the addresses of a server's files by signed links through the gateway. A link holds all that is
// needed to follow it, on any instance. It is for one file, one purpose, one user and one hour.

import { type FileTarget, judgeAddress } from '../../chatkit/protocol/file-address.ts'
import type { FileField } from '../../chatkit/protocol/file-fields.ts'
import { audienceOf } from '../../chatkit/signing/client-secret.ts'
import type { SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import { type Clock, unixSeconds } from '../../lib/clock.ts'
import { newId } from '../../lib/ids.ts'
import type { Call } from '../open-call.ts'

/** The purpose of a link; also the name of its query parameter. */
export type LinkUse = 'upload' | 'file'

/** Header `typ` of a link, so that neither kind is accepted as the other, or as a client secret. */
export const LINK_TYPES = {
  upload: 'chatkit-upload+jwt',
  file: 'chatkit-file+jwt',
} as const satisfies Record<LinkUse, string>

/** Lifetime of a link, in seconds. */
const SECONDS = 3600
/** Most links in one answer or event: each costs a signature. Further addresses are removed. */
const MAX_LINKS = 1000

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
  async function linkTo(
    { workflow, session, generation }: Call,
    of: FileField,
    target: FileTarget,
  ) {
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
      const target = judgeAddress(field, call.workflow)
      if (target === 'pass') return false
      if (target === 'remove' || ++links > MAX_LINKS) delete holder[key]
      else holder[key] = await linkTo(call, field, target)
      return true
    })
    return (await Promise.all(changes)).includes(true)
  }
}
