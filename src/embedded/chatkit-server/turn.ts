// One turn of the assistant: streams words, and shows items.

import type { ServerAssistantContent } from '../../chatkit/protocol/thread.ts'
import type { NewItem, SampleStore, SampleThread } from './store.ts'

/** An answer of the assistant in progress. */
export interface Turn {
  readonly store: SampleStore
  readonly thread: SampleThread
  /** Waits as long as a word takes. */
  pause(): Promise<void>
}

/** Events of the protocol; each is made when it is read. */
export type Events = AsyncGenerator<object, void, void>

/**
 * Streams a message word by word. When the client leaves, the text so far is kept.
 *
 * @param words - with their spaces
 */
export async function* say(turn: Turn, words: Iterable<string>): Events {
  const { store, thread } = turn
  const item = store.newItem(thread, { type: 'assistant_message', content: [] })
  const update = (type: string, rest: object) => ({
    type: 'thread.item.updated',
    item_id: item.id,
    update: { type: `assistant_message.content_part.${type}`, content_index: 0, ...rest },
  })
  let text = ''
  const content = (): ServerAssistantContent => ({ type: 'output_text', text, annotations: [] })
  const done = () => ({ ...item, content: [content()] })
  yield { type: 'thread.item.added', item }
  yield update('added', { content: content() })
  try {
    for (const word of words) {
      await turn.pause()
      text += word
      yield update('text_delta', { delta: word })
    }
  } finally {
    if (text !== '') store.save(thread, done())
  }
  yield update('done', { content: content() })
  yield { type: 'thread.item.done', item: done() }
}

/** Shows a complete item. */
export async function* show({ store, thread }: Turn, parts: NewItem): Events {
  const item = store.newItem(thread, parts)
  store.save(thread, item)
  yield { type: 'thread.item.done', item }
}

/** The words of a text, each with the space before it. */
export function wordsOf(text: string): readonly string[] {
  return text.match(/\s*\S+/g) ?? []
}
