import { createFrameCutter, FrameError } from './frames.ts'
import { StreamFault } from './stream-fault.ts'

/** Longest frame: a widget or an item fits many times over. */
const MAX_FRAME_BYTES = 1024 * 1024

/** An event, as far as every one has it. */
export interface SeenEvent {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * Looks at every frame before it goes on. Frames that came in one chunk go on in one.
 *
 * @param source - the server's bytes
 * @param look - may do something about an event before the client sees it, or throw a `StreamFault`
 * @throws `StreamFault`: what `look` throws; `bad_frame`; `broke_off` inside a frame or an answer
 */
export async function* checkedFrames(
  source: AsyncIterable<Uint8Array>,
  look: (event: SeenEvent) => Promise<void>,
): AsyncGenerator<Uint8Array, void, void> {
  const cutter = createFrameCutter(MAX_FRAME_BYTES)
  for await (const chunk of source) {
    let passed = ''
    let fault: unknown
    try {
      for (const { text, data } of cutter.push(chunk)) {
        if (data !== undefined) await look(eventOf(data))
        passed += text
      }
    } catch (error) {
      fault = error instanceof FrameError ? new StreamFault('bad_frame', error) : error
    }
    if (passed !== '') yield Buffer.from(passed)
    if (fault !== undefined) throw fault
  }
  if (cutter.pending()) throw new StreamFault('broke_off')
}

function eventOf(data: string): SeenEvent {
  const event = parsed(data)
  if (isEvent(event)) return event
  throw new StreamFault('bad_frame')
}

function parsed(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    // Without its cause, whose message quotes what was said in the chat.
    throw new StreamFault('bad_frame')
  }
}

function isEvent(value: unknown): value is SeenEvent {
  return (
    typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
  )
}
