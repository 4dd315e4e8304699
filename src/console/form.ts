import { readText } from '../http/body.ts'
import type { AppContext } from '../http/context.ts'
import { ServiceError } from '../lib/errors.ts'
import { FORM_TYPE } from '../lib/header-patterns.ts'

/** What a form of the console sent. */
export interface Form {
  /** Of a field; empty when it was not sent. */
  value(name: string): string
}

/**
 * Reads a form.
 *
 * @param c - a request that has not been read
 * @throws `unsupported_media_type`, `body_too_large`, `request_timeout`; `invalid_request` for a field
 * that is there twice
 */
export async function readForm(c: AppContext): Promise<Form> {
  if (!FORM_TYPE.test(c.req.header('Content-Type') ?? '')) {
    throw new ServiceError('unsupported_media_type', { reason: 'not a form' })
  }
  const fields = new URLSearchParams(await readText(c))
  if (new Set(fields.keys()).size < fields.size) {
    throw new ServiceError('invalid_request', { reason: 'a form with a repeated field' })
  }
  // Browsers send line ends of texts as CRLF, whatever was typed.
  return { value: (name) => (fields.get(name) ?? '').replaceAll('\r\n', '\n') }
}
