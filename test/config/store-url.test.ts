import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readEnvironment } from '../../src/config/env.ts'
import { problemsIn } from './fixtures.ts'

const store = (value: string) => readEnvironment({ STORE_URL: value }).store

const problemOf = (value: string) => problemsIn(() => store(value)).join('\n')

test('memory: is SQLite without a file', () => {
  expect(store('memory:')).toEqual({ kind: 'memory' })
})

test.each([
  ['sqlite:data/mint.db', 'data/mint.db'],
  ['sqlite:/var/lib/mint.db', '/var/lib/mint.db'],
  ['sqlite:./a b.db', './a b.db'],
  ['sqlite:what?.db', 'what?.db'],
])('%s is a file', (value, path) => {
  expect(store(value)).toEqual({ kind: 'sqlite', path })
})

describe('Redis', () => {
  test.each([
    ['redis://127.0.0.1:6379/2', 'redis://127.0.0.1:6379/2', false, 0],
    ['redis://[::1]:6379', 'redis://[::1]:6379', false, 0],
    ['rediss://u:pw@redis.example:6380', 'rediss://u:pw@redis.example:6380', false, 0],
    ['redis://:a%2Fb%25@redis.example', 'redis://:a%2Fb%25@redis.example', false, 0],
    ['redis://redis.example?cluster=true', 'redis://redis.example', true, 0],
    ['redis://redis.example/0?cluster=true', 'redis://redis.example/0', true, 0],
    ['redis://redis.example/1?cluster=false', 'redis://redis.example/1', false, 0],
    ['redis://redis.example?replicas=1', 'redis://redis.example', false, 1],
    ['redis://redis.example/?replicas=12&cluster=true', 'redis://redis.example/', true, 12],
  ])('%s is read, and its password unseen', (value, url, cluster, replicas) => {
    const found = store(value)
    if (found.kind !== 'redis') throw new Error(found.kind)
    expect(found).toMatchObject({ cluster, replicas })
    expect(found.url.reveal()).toBe(url)
    expect(inspect(found) + JSON.stringify(found)).not.toContain('redis.example')
  })

  test.each([
    'redis://u:hush%zz@redis.example:6379',
    'redis://hush%@redis.example:6379',
    'redis://:hush/hush@redis.example:6379',
    'redis://u:12/hush@redis.example:6379',
    'redis://:hush#hush@redis.example',
    'redis://u:12#hush@redis.example',
    'redis://u:hush@redis.example:99999',
    'redis://u:hush@redis.example:port',
    'redis://u:hush@redis.example/hush',
    'redis://u:hush@re dis.example',
    'redis://u:hush@',
    'redis://',
  ])('%s cannot be read: the answer is to percent-encode', (value) => {
    const problem = problemOf(value)
    expect(problem).toMatch(/^STORE_URL: must be redis:.* percent-encode .*%2F/)
    expect(problem).not.toMatch(/hush|example/)
  })

  test.each([
    '?x=1',
    '?replicas=0',
    '?replicas=-1',
    '?replicas=1.5',
    '?replicas=100',
    '?replicas=',
    '?replicas=1&replicas=1',
    '?cluster=yes',
    '?cluster=true&cluster=true',
    '?cluster=true&__proto__=hush',
    '?Replicas=1',
  ])('%s is no query of ours', (query) => {
    const problem = problemOf(`redis://u:hush@redis.example${query}`)
    expect(problem).toMatch(/^STORE_URL: takes cluster=true and replicas=N/)
    expect(problem).not.toMatch(/hush|example/)
  })

  test('a question mark in a password is not taken for the query', () => {
    expect(problemOf('redis://u:12?hush@redis.example')).toMatch(/a \? in a password is %3F$/)
  })

  test('a cluster has no numbered databases', () => {
    expect(problemOf('redis://u:hush@redis.example/2?cluster=true')).toBe(
      'STORE_URL: a cluster has no numbered databases; leave the number out',
    )
  })
})

test.each(['memory:?replicas=1', 'sqlite:data/mint.db?replicas=2', 'sqlite:x.db?cluster=true'])(
  '%s is refused: only Redis has these',
  (value) => {
    expect(problemOf(value)).toBe(
      'STORE_URL: cluster and replicas are for redis:// and rediss:// alone',
    )
  },
)

test.each(['memory', 'sqlite:', 'redis:', 'http://x', 'data/mint.db', 'redis:hush@x'])(
  '%s is no place of a store',
  (value) => {
    expect(problemOf(value)).toBe(
      'STORE_URL: must be memory:, sqlite:PATH, redis://HOST:PORT or rediss://HOST:PORT',
    )
  },
)

test.each(['sqlite::memory:', 'sqlite:file:x.db?mode=ro', 'sqlite://data/mint.db'])(
  '%s is refused: SQLite or its reader could take it for another place',
  (value) => {
    expect(problemOf(value)).toMatch(/^STORE_URL: takes the path as it is: sqlite:data/)
  },
)

test('three slashes begin a path from the root', () => {
  expect(store('sqlite:///var/lib/mint.db')).toEqual({ kind: 'sqlite', path: '///var/lib/mint.db' })
})
