import { makeSigningKeys } from '../chatkit/signing-keys.ts'

/**
 * `npm run --silent make-signing-key > signing-key.json`: a new private JWK set for
 * `SIGNING_KEY_FILE`. To rotate, put a new key before the old one, which goes on verifying; drop the
 * old one when the last secret it signed has expired, ten minutes later.
 */
process.stdout.write(`${await makeSigningKeys()}\n`)
