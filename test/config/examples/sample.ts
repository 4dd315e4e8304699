/** A token of a provider's shape, and the result that an example of config/examples gives for it. */
export interface Sample {
  readonly claims: Record<string, unknown>
  readonly typ: string
  readonly user: string | RegExp
  readonly workflow: string
  readonly variables?: Record<string, unknown>
  /** Claims that make the same person an admin. */
  readonly asAdmin?: Record<string, unknown>
  /** Claims that exclude the workflow, and the workflow that is then the default; null for none. */
  readonly without?: [Record<string, unknown>, string | null]
  /** Tokens that are often mistaken for the right one: a name, and the changed claims or `typ`. Each gets 401. */
  readonly mistakes: Readonly<Record<string, Record<string, unknown>>>
}
