// The items of a thread, as the ChatKit API spells them.

import { z } from 'zod'
import { kind, openEnum, orElse, orNull, unixTime } from './wire.ts'

/** Fields of every kind of item. */
const envelope = {
  id: z.string().min(1).describe('The item, cthi_…'),
  object: orElse(
    z.literal('chatkit.thread_item').describe('Always `chatkit.thread_item`.'),
    'chatkit.thread_item',
  ),
  created_at: unixTime,
  thread_id: z.string().describe('The thread that it is in.'),
}

/** An object whose `type` is none of `known`. */
function otherType(known: readonly string[], id: string) {
  const type = z.string().refine((type) => !known.includes(type))
  return z
    .looseObject({ type: type.describe('Its kind.') })
    .meta({ id, description: 'A kind that is not described here; it passes as it is.' })
}

/** Values of a task's `task_type`, and of `type` of a task in a group. */
const TASK_TYPES = ['custom', 'thought'] as const

export const attachment = z
  .looseObject({
    id: z.string().describe('The attachment.'),
    type: openEnum(['image', 'file']).describe('The way in which it is shown.'),
    mime_type: z.string().describe('Its media type.'),
    name: z.string().describe('The name of the file.'),
    preview_url: orNull(z.string()).describe('A picture of it; null when there is none.'),
  })
  .meta({ id: 'Attachment', description: "A file or image that goes with a user's message." })

const someText = z.string().describe('The text.')

const inputText = z
  .looseObject({ type: kind('input_text'), text: someText })
  .meta({ id: 'InputText', description: "A user's own words." })
const quotedText = z
  .looseObject({ type: kind('quoted_text'), text: someText })
  .meta({ id: 'QuotedText', description: 'Text that a user quoted.' })

const toolChoice = z
  .looseObject({ id: z.string().describe('The tool.') })
  .meta({ id: 'ToolChoice', description: 'A tool that the answer must use.' })

const inferenceOptions = z
  .looseObject({
    model: orNull(z.string()).describe("The model; null for the session's default."),
    tool_choice: orNull(toolChoice).describe("The tool; null for the session's default."),
  })
  .meta({ id: 'InferenceOptions', description: 'Overrides for one message.' })

export const userMessageItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.user_message'),
    content: z
      .array(
        z.union([
          inputText,
          quotedText,
          otherType(['input_text', 'quoted_text'], 'OtherMessageContent'),
        ]),
      )
      .describe('The parts of the message, in order.'),
    attachments: orElse(z.array(attachment), []).describe('Files sent with the message.'),
    inference_options: orNull(inferenceOptions).describe(
      'Overrides for this message; null when there are none.',
    ),
  })
  .meta({ id: 'UserMessageItem', description: "A user's message." })

const fileSource = z
  .looseObject({ type: kind('file'), filename: z.string().describe('The name of the file.') })
  .meta({ id: 'FileSource', description: 'An uploaded file.' })

const fileAnnotation = z
  .looseObject({ type: kind('file'), source: fileSource.describe('The file.') })
  .meta({ id: 'FileAnnotation', description: 'A reference to an uploaded file.' })

const urlSource = z
  .looseObject({ type: kind('url'), url: z.string().describe('Its address.') })
  .meta({ id: 'UrlSource', description: 'A web page.' })

const urlAnnotation = z
  .looseObject({ type: kind('url'), source: urlSource.describe('The page.') })
  .meta({ id: 'UrlAnnotation', description: 'A reference to a web page.' })

const outputText = z
  .looseObject({
    type: kind('output_text'),
    text: someText,
    annotations: orElse(
      z.array(
        z.union([fileAnnotation, urlAnnotation, otherType(['file', 'url'], 'OtherAnnotation')]),
      ),
      [],
    ).describe('References to sources.'),
  })
  .meta({ id: 'OutputText', description: 'A part of an answer.' })

export const assistantMessageItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.assistant_message'),
    content: z
      .array(z.union([outputText, otherType(['output_text'], 'OtherAnswerContent')]))
      .describe('The parts of the answer, in order.'),
  })
  .meta({ id: 'AssistantMessageItem', description: "The assistant's message." })

export const widgetItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.widget'),
    widget: z.string().describe('The widget, as serialized JSON.'),
  })
  .meta({ id: 'WidgetItem', description: 'A widget in the conversation.' })

export const clientToolCallItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.client_tool_call'),
    status: openEnum(['in_progress', 'completed']).describe('Whether the page has answered.'),
    call_id: z.string().describe('The call.'),
    name: z.string().describe('The tool.'),
    arguments: z.string().describe('The input of the tool, as serialized JSON.'),
    output: orNull(z.string()).describe(
      'The result of the tool, as serialized JSON; null while it runs.',
    ),
  })
  .meta({ id: 'ClientToolCallItem', description: 'A tool that the page ran for the assistant.' })

const headings = {
  heading: orNull(z.string()).describe('Its heading; null when it has none.'),
  summary: orNull(z.string()).describe('Its result; null when there is none.'),
}

export const taskItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.task'),
    task_type: openEnum(TASK_TYPES).describe('The kind of step.'),
    ...headings,
  })
  .meta({ id: 'TaskItem', description: 'A step of the workflow, shown as progress.' })

export const groupedTask = z
  .looseObject({ type: openEnum(TASK_TYPES).describe('The kind of step.'), ...headings })
  .meta({ id: 'GroupedTask', description: 'A task inside a group.' })

export const taskGroupItem = z
  .looseObject({
    ...envelope,
    type: kind('chatkit.task_group'),
    tasks: z.array(groupedTask).describe('The steps, in order.'),
  })
  .meta({ id: 'TaskGroupItem', description: 'Several steps shown together.' })

/** The six kinds of the reference. */
export const knownThreadItem = z.discriminatedUnion('type', [
  userMessageItem,
  assistantMessageItem,
  widgetItem,
  clientToolCallItem,
  taskItem,
  taskGroupItem,
])
export type KnownThreadItem = z.infer<typeof knownThreadItem>

const KNOWN_KINDS: readonly unknown[] = knownThreadItem.options.map(({ shape }) => shape.type.value)

const otherItem = z
  .looseObject({ id: z.string().min(1).describe('The item.') })
  .refine((item) => !KNOWN_KINDS.includes(item['type']))
  .meta({ id: 'OtherItem', description: 'A kind that is not described here; it passes as it is.' })

/** An item of a kind that the reference does not have passes unchanged if it has an id. */
export const threadItem = z
  .union([knownThreadItem, otherItem])
  .meta({ id: 'ThreadItem', description: 'An item of a thread.' })
export type ThreadItem = z.infer<typeof threadItem>
