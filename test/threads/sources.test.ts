import { expect, test } from 'vitest'
import type { ChatKit } from '../../src/chatkit/port.ts'
import { ownersMoves, threadSources } from '../../src/threads/sources.ts'
import { workflowName } from '../support/ids.ts'

const hosted = (name: string) => ({ kind: 'hosted' as const, name: workflowName(name) })
const own = (name: string, threadsAt: string) => ({
  kind: 'self-hosted' as const,
  name: workflowName(name),
  threadsAt,
})

test('hosted workflows of one adapter are one source, and so are self-hosted ones with one threads_at', () => {
  const [key, other, server] = [{}, {}, {}] as [ChatKit, ChatKit, ChatKit]
  const of = (workflow: string) => ({ a: key, c: other, d: key })[workflow] ?? server
  const workflows = [
    hosted('a'),
    own('b', 'desk'),
    hosted('c'),
    hosted('d'),
    own('e', 'shop'),
    own('f', 'desk'),
  ]
  const sources = threadSources(workflows, of, () => {})
  expect(sources.map(({ name, workflows, threadsAt }) => [name, workflows, threadsAt])).toEqual([
    ['a', ['a', 'd'], undefined],
    ['b', ['b', 'f'], 'desk'],
    ['c', ['c'], undefined],
    ['e', ['e'], 'shop'],
  ])
  expect(sources.map(({ chatkit }) => [key, server, other].indexOf(chatkit))).toEqual([0, 1, 2, 1])
})

test("owners move to a self-hosted workflow's threads_at, from its name and from there", () => {
  expect(ownersMoves([hosted('a'), own('b', 'desk')])).toEqual([
    { workflow: 'b', source: 'desk' },
    { workflow: 'desk', source: 'desk' },
  ])
})
