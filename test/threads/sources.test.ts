import { expect, test } from 'vitest'
import type { ChatKit } from '../../src/chatkit/port.ts'
import { threadSources } from '../../src/threads/sources.ts'
import { workflowName } from '../support/ids.ts'

test('hosted workflows of one key are one source, and so are self-hosted ones with one threads_at', () => {
  const hosted = (name: string, apiKeyEnv: string) => ({
    kind: 'hosted' as const,
    name: workflowName(name),
    apiKeyEnv,
  })
  const own = (name: string, threadsAt: string) => ({
    kind: 'self-hosted' as const,
    name: workflowName(name),
    threadsAt,
  })
  const asked: string[] = []
  const of = (workflow: string) => {
    asked.push(workflow)
    return { workflow } as unknown as ChatKit
  }
  const workflows = [
    hosted('a', 'KEY'),
    own('b', 'desk'),
    hosted('c', 'OTHER'),
    hosted('d', 'KEY'),
    own('e', 'shop'),
    own('f', 'desk'),
  ]
  const sources = threadSources(workflows, of)
  expect(sources.map(({ name, workflows, threadsAt }) => [name, workflows, threadsAt])).toEqual([
    ['a', ['a', 'd'], undefined],
    ['b', ['b', 'f'], 'desk'],
    ['c', ['c'], undefined],
    ['e', ['e'], 'shop'],
  ])
  expect(asked).toEqual(['a', 'b', 'c', 'e'])
})
