// The reasons why the gateway ends a stream early, and the last event that the client gets for each.

/** Why a stream ended early. */
export type StreamEnd = keyof typeof LAST_EVENTS

interface LastEvent {
  /** Shown to the user; when absent, ChatKit shows its own text. */
  readonly message?: string
  readonly retry: boolean
}

const LAST_EVENTS = {
  session_ended: { message: 'This chat session has ended.', retry: false },
  store_unavailable: { message: 'This answer could not be continued.', retry: true },
  shutting_down: { message: 'This answer was ended because the service restarts.', retry: true },
  too_long: { message: 'This answer took too long and was ended.', retry: true },
  server_silent: { retry: true },
  broke_off: { retry: true },
  bad_frame: { retry: false },
  /** An event does not fit into the memory that is left for this user or this instance. */
  overloaded: { retry: true },
  /** A `thread.created` event has an id with an owner, even if that is the caller. */
  thread_taken: { retry: false },
  /** An event names a thread that is not the caller's. */
  foreign_thread: { retry: false },
} as const satisfies Record<string, LastEvent>

/** Thrown when a stream must not go on. */
export class StreamFault extends Error {
  override readonly name = 'StreamFault'
  readonly why: StreamEnd

  /** @param why - selects the last event */
  constructor(why: StreamEnd, cause?: unknown) {
    super(`the stream ended: ${why}`, { cause })
    this.why = why
  }

  /** The last event that the client gets. */
  get event() {
    const { message, retry: allow_retry }: LastEvent = LAST_EVENTS[this.why]
    if (message === undefined) return { type: 'error', code: 'stream.error', allow_retry }
    return { type: 'error', code: 'custom', message, allow_retry }
  }
}
