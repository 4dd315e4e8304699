import {
  type ActionConfig,
  type AssistantMessageItem,
  ChatKitServer,
  CustomStreamError,
  type FeedbackKind,
  StreamError,
  type ThreadMetadata,
  type ThreadStreamEvent,
  type UserMessageItem,
  type WidgetItem,
} from 'chatkit-node-backend-sdk'

/** The caller, as the gateway names them. */
export interface Caller {
  readonly user: string
}

type Events = AsyncGenerator<ThreadStreamEvent>

/** Answers without any model: what the user writes decides which part of the protocol is used. */
export class Assistant extends ChatKitServer<Caller> {
  readonly feedback: (readonly [threadId: string, itemIds: readonly string[], FeedbackKind])[] = []
  /** An answer to `slow` stops in its middle until this resolves. */
  resumed: Promise<void> = Promise.resolve()

  async *respond(
    thread: ThreadMetadata,
    message: UserMessageItem | null,
    { user }: Caller,
  ): Events {
    if (message === null) return yield* this.say(thread, ['The tool has answered.'])
    const text = message.content.map((part) => part.text).join('')
    if (text === 'tool') yield { type: 'thread.item.done', item: this.toolCall(thread) }
    else if (text === 'widget') yield { type: 'thread.item.done', item: this.widget(thread, 'new') }
    else if (text === 'refuse') throw new CustomStreamError('Not today.', true)
    else if (text === 'fail') throw new StreamError('rate_limit.exceeded')
    else if (text === 'break') throw new Error('a bug of the application')
    else yield* this.say(thread, [`Hello ${user}, `, 'you said: ', text], text === 'slow')
    thread.title = text
  }

  override async *action(
    thread: ThreadMetadata,
    action: ActionConfig,
    sender: WidgetItem | null,
  ): Events {
    if (sender === null) return yield* this.say(thread, [`Action ${action.type}.`])
    const { widget } = this.widget(thread, action.type)
    yield { type: 'thread.item.replaced', item: { ...sender, widget } }
  }

  override async addFeedback(threadId: string, itemIds: string[], kind: FeedbackKind) {
    this.feedback.push([threadId, itemIds, kind])
  }

  private async *say(thread: ThreadMetadata, parts: readonly string[], slow = false): Events {
    const item: AssistantMessageItem = {
      ...this.item(thread),
      type: 'assistant_message',
      content: [],
    }
    yield { type: 'thread.item.added', item }
    for (const [at, delta] of parts.entries()) {
      if (slow && at === 1) await this.resumed
      const update = {
        type: 'assistant_message.content_part.text_delta',
        content_index: 0,
        delta,
      } as const
      yield { type: 'thread.item.updated', item_id: item.id, update }
    }
    const text = parts.join('')
    const content = [{ type: 'output_text' as const, text, annotations: [] }]
    yield { type: 'thread.item.done', item: { ...item, content } }
  }

  private toolCall(thread: ThreadMetadata) {
    const call = { status: 'pending', call_id: 'call_1', name: 'ask_page', arguments: {} } as const
    return { ...this.item(thread), type: 'client_tool_call', ...call } as const
  }

  private widget(thread: ThreadMetadata, value: string): WidgetItem {
    const widget = { type: 'Card' as const, children: [{ type: 'Text', value }] }
    return { ...this.item(thread), type: 'widget', widget }
  }

  private item({ id }: ThreadMetadata) {
    const now = new Date().toISOString()
    return { id: `item_${crypto.randomUUID()}`, thread_id: id, created_at: now }
  }
}
