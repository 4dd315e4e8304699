// The admin endpoint that issues a signed receipt of a user's sessions.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Receipts } from '../../administer/receipt.ts'
import { adminRequest } from '../authentication.ts'
import type { AppEnv } from '../context.ts'
import { timeInQuery, validQuery } from '../query.ts'
import type { RouteDefinitions } from '../route-definition.ts'
import { pathUser, userInPath } from './users.ts'

const receiptQuery = z.strictObject({
  since: timeInQuery
    .optional()
    .describe('Leaves out sessions that ended before this second. Unix seconds.'),
})

const signedReceipt = z
  .string()
  .describe(
    'A compact JWS (RFC 7515), `typ` `chatkit-receipt+jwt`, over `iss`, `iat`, `user`, `blocked_until`, ' +
      '`sessions` (the newest 1,000), `from`, `generation` and `truncated`.',
  )
  .meta({ id: 'SignedReceipt' })

export const RECEIPT_ROUTES = {
  userReceipt: {
    method: 'GET',
    path: '/v1/admin/users/{user}/receipt',
    checks: ['admin'],
    summary: 'A signed receipt of the sessions of a user',
    description:
      'Says what was live, when it ended, who ended it, and when the upstream confirmed that: anybody ' +
      'can check it with the keys of `/.well-known/jwks.json`. `from` says since when it is complete. A user ' +
      'never seen gets a receipt without sessions. Needs a signing key and `PUBLIC_URL`.',
    tag: 'admin',
    pathParameters: userInPath,
    query: receiptQuery,
    answers: [
      {
        status: 200,
        description: 'The receipt.',
        mediaType: 'application/jose',
        schema: signedReceipt,
        example: 'eyJ…',
      },
    ],
    problems: ['not_found'],
  },
} satisfies RouteDefinitions

export function userReceipt({ issueReceipt }: Receipts): Handler<AppEnv> {
  return async (c) => {
    const { since } = validQuery(c, receiptQuery)
    const receipt = await issueReceipt(adminRequest(c), pathUser(c), since)
    return c.body(receipt, 200, { 'content-type': 'application/jose' })
  }
}
