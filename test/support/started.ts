import { afterAll, afterEach, beforeAll, beforeEach, onTestFinished, TestRunner } from 'vitest'

interface Closable {
  close(): unknown
}

/**
 * Starts something before the tests of the file or `describe` around the call, and closes it after them. The returned
 * object gives access to it while the tests run.
 */
export function forAllTests<T extends Closable>(start: () => T | Promise<T>): T {
  return startedIn(beforeAll, afterAll, start)
}

/** The same for each test: it is started afresh. */
export function forEachTest<T extends Closable>(start: () => T | Promise<T>): T {
  return startedIn(beforeEach, afterEach, start)
}

/** Ends after its test what is started in one or in a `beforeEach`. Elsewhere it is for the caller to end. */
export function endAfterTest(end: () => Promise<unknown>): void {
  if (TestRunner.getCurrentTest()) onTestFinished(async () => void (await end()))
}

function startedIn<T extends Closable>(
  before: (hook: () => Promise<void>) => void,
  after: (hook: () => Promise<void>) => void,
  start: () => T | Promise<T>,
): T {
  let started: T | undefined
  before(async () => {
    started = await start()
  })
  after(async () => {
    const ended = started
    started = undefined
    await ended?.close()
  })
  function current(): T {
    if (started === undefined) throw new Error('it runs only while tests do')
    return started
  }
  return new Proxy<T>(Object.create(null), {
    get: (_, name) => Reflect.get(current(), name),
    set: (_, name, value) => Reflect.set(current(), name, value),
  })
}
