import { type ErrorCode, ServiceError } from '../lib/errors.ts'

/** What a page says besides what the log learns. */
export interface PageErrorOptions {
  /** For the log. */
  readonly reason: string
  readonly heading: string
  /** What happened and what to do, in whole sentences. */
  readonly advice: string
  /** Where to go on. */
  readonly action?: { readonly href: string; readonly label: string } | undefined
  readonly cause?: unknown
}

/** An error that a page of the console explains in words of its own. */
export class PageError extends ServiceError {
  readonly heading: string
  readonly advice: string
  readonly action: PageErrorOptions['action']

  /**
   * @param code - gives the status
   * @param options - for the page and the log
   */
  constructor(code: ErrorCode, { reason, heading, advice, action, cause }: PageErrorOptions) {
    super(code, { reason, cause, detail: advice })
    this.heading = heading
    this.advice = advice
    this.action = action
  }
}
