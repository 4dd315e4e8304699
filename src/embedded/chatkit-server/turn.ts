// One turn of the assistant: says words, shows items.

import type { ServerEvent } from '../../chatkit/protocol/event.ts'
import type { ServerAssistantContent } from '../../chatkit/protocol/thread.ts'
import type { NewItem, SampleStore, SampleThread } from './store.ts'

/** One answer of the assistant, while it is made. */
export interface Turn {
  readonly store: SampleStore
  readonly thread: SampleThread
  /** The time that a word takes. Rejects when the client leaves. */
  pause(): Promise<void>
}

/** Events as they come to be; the next one is made when somebody takes it. */
export type Events = AsyncGenerator<ServerEvent, void, void>

/**
 * A message, word by word. When nobody listens any more, what has been said so far is kept.
 *
 * @param turn - in which it is said
 * @param words - with their spaces
 */
export async function* say(turn: Turn, words: Iterable<string>): Events {
  const { store, thread } = turn
  const item = store.newItem(thread, { type: 'assistant_message', content: [] })
  const update = (type: string, rest: object): ServerEvent => ({
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

/**
 * An item that is there at once.
 *
 * @param turn - in which it comes
 * @param parts - of the item
 */
export async function* show({ store, thread }: Turn, parts: NewItem): Events {
  const item = store.newItem(thread, parts)
  store.save(thread, item)
  yield { type: 'thread.item.done', item }
}

/** @param text - to be said; each word keeps the space before it */
export function wordsOf(text: string): readonly string[] {
  return text.match(/\s*\S+/g) ?? []
}
