// Shows the items of a thread as text.

import { html } from 'hono/html'
import { type KnownThreadItem, knownThreadItem, type ThreadItem } from '../../chatkit/wire/item.ts'
import { instant } from './fragments.ts'
import type { Html } from './layout.ts'

/**
 * The items in the order given. Widgets and tool calls are shown as data. Links and pictures are not
 * followed: nothing in a conversation may make an admin's browser call another site.
 */
export function transcript(items: readonly ThreadItem[]): Html {
  if (items.length === 0) return html`<p class="empty">Nothing was said.</p>`
  return html`<ol class="transcript">${items.map(entry)}</ol>`
}

function entry(item: ThreadItem): Html {
  const known = knownThreadItem.safeParse(item)
  if (!known.success) {
    const type = 'type' in item && typeof item.type === 'string' ? item.type : 'unknown'
    return line('other', { who: type, content: data('Data', item) })
  }
  const { who, side, content } = view(known.data)
  return line(side, { who, content, at: known.data.created_at })
}

interface LineParts {
  readonly who: string
  readonly content: Html
  /** Unix seconds. */
  readonly at?: number
}

function line(side: string, { who, content, at }: LineParts): Html {
  const time = at === undefined ? '' : instant(at)
  return html`<li class="${side}"><div class="said"><strong>${who}</strong> ${time}</div>${content}</li>`
}

function view(item: KnownThreadItem): { who: string; side: string; content: Html } {
  switch (item.type) {
    case 'chatkit.user_message':
      return { who: 'User', side: 'user-side', content: userMessage(item) }
    case 'chatkit.assistant_message':
      return { who: 'Assistant', side: 'assistant-side', content: texts(item.content) }
    case 'chatkit.widget':
      return { who: 'Widget', side: 'other', content: data('Widget', item.widget) }
    case 'chatkit.client_tool_call':
      return {
        who: `Tool ${item.name} (${item.status})`,
        side: 'other',
        content: html`${data('Arguments', item.arguments)}${item.output === null ? '' : data('Output', item.output)}`,
      }
    case 'chatkit.task':
      return { who: 'Task', side: 'other', content: task(item) }
    case 'chatkit.task_group':
      return { who: 'Tasks', side: 'other', content: html`${item.tasks.map(task)}` }
  }
}

function userMessage({
  content,
  attachments,
}: Extract<KnownThreadItem, { type: 'chatkit.user_message' }>): Html {
  const files = attachments.map(
    ({ name, mime_type: type }) => html`<li>${name} <small>${type}</small></li>`,
  )
  return html`${texts(content)}${files.length === 0 ? '' : html`<ul class="files" aria-label="Attachments">${files}</ul>`}`
}

function texts(parts: readonly Readonly<Record<string, unknown>>[]): Html {
  return html`${parts.map((part) => {
    if (typeof part['text'] !== 'string') return data('Part', part)
    if (part['type'] === 'quoted_text') return html`<blockquote>${part['text']}</blockquote>`
    return html`<p>${part['text']}</p>`
  })}`
}

function task(one: { readonly heading: string | null; readonly summary: string | null }): Html {
  return html`<p>${one.heading ?? 'Step'}${one.summary === null ? '' : html`: ${one.summary}`}</p>`
}

function data(label: string, value: unknown): Html {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return html`<details><summary>${label}</summary><pre>${text}</pre></details>`
}
