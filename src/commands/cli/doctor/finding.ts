// One finding of the doctor.

/** One thing that the doctor looked at. */
export interface Finding {
  /** `config`, `store`, `issuer https://…`, `workflow support`, … */
  readonly check: string
  /** `note`: works, and is worth knowing. */
  readonly status: 'ok' | 'note' | 'wrong'
  /** The result in words; never a key, a client secret or a token. */
  readonly message: string
  /** Advice to the operator. */
  readonly advice?: string
  /** A session that was minted and could not be cancelled. */
  readonly session_left?: string
}

/** All is well with it. */
export function ok(check: string, message: string): Finding {
  return { check, status: 'ok', message }
}

/** It works, and the operator should know. */
export function note(check: string, message: string, advice?: string): Finding {
  return { check, status: 'note', message, ...(advice !== undefined && { advice }) }
}

/** It does not work. */
export function wrong(check: string, message: string, advice: string): Finding {
  return { check, status: 'wrong', message, advice }
}
