/** Who asks: what a verified token says, and the result of this step. */
export interface Principal {
  /** The token's `iss`, equal to a configured issuer byte for byte. */
  readonly issuer: string
  /** The token's `sub`: 1 to 255 UTF-16 units, without control or invisible characters. */
  readonly subject: string
  /** All claims of the token, as its issuer signed them. */
  readonly claims: Readonly<Record<string, unknown>>
  /** The token's `exp`, in whole Unix seconds. */
  readonly expiresAt: number
  /** The token's `iat`, in whole Unix seconds. */
  readonly issuedAt: number | undefined
  /** The sign-in session at the issuer (OpenID Connect Back-Channel Logout 1.0 §2.1). */
  readonly sid: string | undefined
}
