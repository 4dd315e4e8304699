/** A token of a provider's shape, and what an example of config/examples makes of it. */
export interface Sample {
  readonly claims: Record<string, unknown>
  readonly typ: string
  readonly user: string | RegExp
  readonly workflow: string
  readonly variables: Record<string, unknown> | undefined
  /** Claims that make the same person an admin. */
  readonly asAdmin?: Record<string, unknown>
  /** Claims that take the workflow away, and what is then the default; null for none. */
  readonly without?: [Record<string, unknown>, string | null]
  /** Tokens that people take for the right one: what it is, its changed claims or `typ`. All are 401. */
  readonly mistakes: Readonly<Record<string, Record<string, unknown>>>
}
