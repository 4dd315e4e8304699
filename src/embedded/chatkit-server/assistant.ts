// The assistant of the sample server: repeats the user's message, and can show every feature of the protocol.

import type { KnownRequest } from '../../chatkit/protocol/request.ts'
import {
  isKnownItem,
  type ServerAttachment,
  type ServerItem,
} from '../../chatkit/protocol/thread.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import type { SampleStore } from './store.ts'
import { type Events, say, show, type Turn, wordsOf } from './turn.ts'

const MAX_COUNT = 1_000_000

export interface Message {
  readonly text: string
  readonly attachments: readonly ServerAttachment[]
}

/** Words in a message that make the assistant show a feature before it answers, in this order. */
const EXTRAS: readonly { readonly word: RegExp; readonly act: (turn: Turn) => Events }[] = [
  { word: /\bprogress\b/i, act: reportProgress },
  { word: /\bnotice\b/i, act: giveNotice },
  { word: /\beffect\b/i, act: causeEffect },
  { word: /\btask\b/i, act: showTask },
  { word: /\bworkflow\b/i, act: showWorkflow },
  { word: /\bwidget\b/i, act: (turn) => show(turn, { type: 'widget', widget: card('A widget') }) },
]

/** Words that end the turn with an error, or with a request to the page or the user. */
const ENDINGS: readonly { readonly word: RegExp; readonly act: (turn: Turn) => Events }[] = [
  { word: /\berror\b/i, act: fail },
  { word: /\btool\b/i, act: callTool },
  { word: /\bform\b/i, act: askQuestions },
]

/**
 * Repeats what the user wrote. Some words make it show a feature of the protocol: progress, notice, effect,
 * task, workflow, widget; error, tool, form; and `count to 500`.
 */
export async function* respond(turn: Turn, message: Message): Events {
  for (const { word, act } of EXTRAS) {
    if (word.test(message.text)) yield* act(turn)
  }
  const ending = ENDINGS.find(({ word }) => word.test(message.text))
  if (ending !== undefined) yield* ending.act(turn)
  else yield* say(turn, wordsInReply(message))
}

/** A widget with a button that sends the action `press`. */
function card(text: string): object {
  const press = { type: 'press', payload: { pressed: text } }
  return {
    type: 'Card',
    children: [
      { type: 'Text', value: text },
      { type: 'Button', label: 'Press', onClickAction: press },
    ],
  }
}

/**
 * Carries an action out: its widget then shows the action.
 *
 * @returns the changed widget; undefined when the action has no widget
 * @throws `ApiError` 404 for unknown ids, 400 for an item that is no widget
 */
export function applyAction(
  store: SampleStore,
  params: Extract<KnownRequest, { type: 'threads.sync_custom_action' }>['params'],
): ServerItem | undefined {
  const thread = store.thread(params.thread_id)
  if (params.item_id == null) return undefined
  const item = store.item(thread, params.item_id)
  if (!isKnownItem(item) || item.type !== 'widget') {
    throw new ApiError(400, `Item '${item.id}' is not a widget.`)
  }
  const changed = { ...item, widget: card(`Action ${params.action.type}`) }
  store.save(thread, changed)
  return changed
}

function wordsInReply({ text, attachments }: Message): Iterable<string> {
  const count = /\bcount to (\d{1,7})\b/i.exec(text)?.[1]
  if (count !== undefined) return numbers(Math.min(Number(count), MAX_COUNT))
  const names = attachments.map(({ name }) => name).join(', ')
  return wordsOf(`You said: ${text}${names === '' ? '' : ` (attached: ${names})`}`)
}

/** A generator, so that a long count takes no memory in advance. */
function* numbers(last: number): Generator<string> {
  for (let number = 1; number <= last; number++) yield number === 1 ? '1' : ` ${number}`
}

async function* reportProgress(turn: Turn): Events {
  for (const text of ['Reading', 'Thinking']) {
    yield { type: 'progress_update', text, icon: null }
    await turn.pause()
  }
}

async function* giveNotice(): Events {
  yield { type: 'notice', level: 'info', title: 'Notice', message: 'This is a **notice**.' }
}

async function* causeEffect(): Events {
  yield { type: 'client_effect', name: 'highlight', data: { colour: 'yellow' } }
}

async function* fail(): Events {
  yield { type: 'error', code: 'custom', message: 'You asked for an error.', allow_retry: true }
}

function showTask(turn: Turn): Events {
  const content = 'There was one thing to do.'
  return show(turn, { type: 'task', task: { type: 'custom', title: 'A task', content } })
}

function showWorkflow(turn: Turn): Events {
  const tasks = [
    { type: 'thought', title: 'First', content: 'One thing leads' },
    { type: 'web_search', title_query: 'Then', queries: ['to another'] },
  ]
  return show(turn, { type: 'workflow', workflow: { type: 'custom', tasks } })
}

function callTool(turn: Turn): Events {
  return show(turn, {
    type: 'client_tool_call',
    status: 'pending',
    call_id: `call_${turn.thread.items.length}`,
    name: 'get_page_title',
    arguments: { short: true },
    output: null,
  })
}

function askQuestions(turn: Turn): Events {
  const choice = { options: [{ value: 'tea' }, { value: 'coffee' }], multiple: false }
  return show(turn, {
    type: 'structured_input',
    status: 'pending',
    inputs: [
      { id: 'drink', type: 'multiple_choice', question: 'What may it be?', ...choice },
      { id: 'wish', type: 'freeform', question: 'Anything else?' },
    ],
  })
}
