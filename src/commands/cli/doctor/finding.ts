// The type of the doctor's findings.

/** The result of one check of the doctor. */
export interface Finding {
  /** `config`, `store`, `issuer https://…`, `workflow support`, … */
  readonly check: string
  /** `note`: it works, but the operator should know something. */
  readonly status: 'ok' | 'note' | 'wrong'
  /** The result in words, without any key, client secret or token. */
  readonly message: string
  /** Advice to the operator. */
  readonly advice?: string
  /** A session that was minted and could not be cancelled. */
  readonly session_left?: string
}

/** It works. */
export function ok(check: string, message: string): Finding {
  return { check, status: 'ok', message }
}

/** It works, but the operator should know something. */
export function note(check: string, message: string, advice?: string): Finding {
  return { check, status: 'note', message, ...(advice !== undefined && { advice }) }
}

/** It does not work. */
export function wrong(check: string, message: string, advice: string): Finding {
  return { check, status: 'wrong', message, advice }
}
