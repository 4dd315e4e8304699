import { z } from 'zod'
import { issuerProblem } from './addresses.ts'
import { checkedText, environmentName, patternText } from './checked-text.ts'

/** The key `console`. */
export const consoleSchema = z
  .strictObject({
    issuer: checkedText(issuerProblem).describe(
      'Where admins sign in, with OIDC discovery; one of the issuers that can have admins.',
    ),
    client_id: patternText(/^[\x20-\x7e]{1,256}$/, 'must be printable ASCII').describe(
      'This service at the issuer; its redirect URI is PUBLIC_URL/admin/callback.',
    ),
    client_secret_env: environmentName.describe("Environment variable with the client's secret."),
    session_minutes: z
      .int()
      .min(1)
      .max(1440)
      .default(60)
      .describe('After these an admin signs in again, busy or not.'),
  })
  .describe('The admin console at /admin; needs `admins` and PUBLIC_URL.')
