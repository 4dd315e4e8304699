export interface AskOptions {
  readonly headers?: Record<string, string>
  readonly signal?: AbortSignal
  readonly metadata?: Record<string, unknown>
}

export type Json = Record<string, unknown>

/**
 * Sends a request of the ChatKit protocol.
 *
 * @param url - the endpoint, of a server or of a gateway
 */
export function ask(
  url: string,
  [type, params]: readonly [type: string, params?: unknown],
  { headers, signal, metadata }: AskOptions = {},
): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ type, params: params ?? {}, ...(metadata && { metadata }) }),
    ...(signal && { signal }),
  })
}

/** The frames of a stream, without their `data: ` and empty line, as they come; comments are left out. */
export async function* framesOf(response: Response): AsyncGenerator<string, void, void> {
  if (response.body === null) throw new Error('no body')
  let rest = ''
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (rest + text).split('\n\n')
    rest = frames.pop() ?? ''
    for (const frame of frames) {
      if (frame.startsWith(':')) continue
      if (!frame.startsWith('data: ')) throw new Error(`not a frame: ${frame}`)
      yield frame.slice('data: '.length)
    }
  }
  if (rest !== '') throw new Error(`half a frame: ${rest}`)
}

/** All events of a stream. Throws when it breaks off. */
export async function eventsOf(response: Response): Promise<Json[]> {
  const events: Json[] = []
  for await (const frame of framesOf(response)) events.push(JSON.parse(frame))
  return events
}

/** Everything that the assistant said in a stream. */
export function textOf(events: readonly Json[]): string {
  const updates = events.map((event) => event['update'] as Json | undefined)
  return updates.map((update) => update?.['delta'] ?? '').join('')
}

/** A user's message. */
export function input(text: string, attachments: readonly string[] = []): Json {
  return { content: [{ type: 'input_text', text }], attachments, inference_options: {} }
}
