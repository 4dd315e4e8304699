import { expect, test } from 'vitest'
import type { ChatKit } from '../../src/chatkit/port.ts'
import { threadSources } from '../../src/threads/sources.ts'
import { workflowName } from '../support/ids.ts'

test('hosted workflows of one key are one source, each self-hosted one is its own', () => {
  const hosted = (name: string, apiKeyEnv: string) => ({
    kind: 'hosted' as const,
    name: workflowName(name),
    apiKeyEnv,
  })
  const own = (name: string) => ({ kind: 'self-hosted' as const, name: workflowName(name) })
  const asked: string[] = []
  const of = (workflow: string) => {
    asked.push(workflow)
    return { workflow } as unknown as ChatKit
  }
  const workflows = [
    hosted('a', 'KEY'),
    own('b'),
    hosted('c', 'OTHER'),
    hosted('d', 'KEY'),
    own('e'),
  ]
  const sources = threadSources(workflows, of)
  expect(sources.map(({ name, workflows, selfHosted }) => [name, workflows, selfHosted])).toEqual([
    ['a', ['a', 'd'], false],
    ['b', ['b'], true],
    ['c', ['c'], false],
    ['e', ['e'], true],
  ])
  expect(asked).toEqual(['a', 'b', 'c', 'e'])
})
