import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import {
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core'

// The shell first: the same engine without tabs, toolbar and extensions, whose processes cost as much as the page.
const PROGRAMS = [
  'chromium-headless-shell',
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
]

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  // Requests to other hosts fail here, and nothing leaves the machine.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
]

/** Chromium, and what its pages did that they should not have. */
export interface TestBrowser {
  /** A page with cookies and storage of its own. */
  open(options?: OpenOptions): Promise<OpenPage>
  close(): Promise<void>
}

export interface OpenOptions extends BrowserContextOptions {
  /**
   * Failures that belong to the test, as the page's console would show them: `403 /v1/sessions`,
   * `ERR_FAILED /v1/sessions`. The number of times does not count.
   */
  readonly expectedFailures?: readonly string[]
}

export interface OpenPage {
  readonly page: Page
  readonly context: BrowserContext
  /**
   * Faults so far: errors and warnings in the console, uncaught exceptions, violations of a content security policy,
   * requests to hosts other than this machine. There must be none at the end of a test.
   */
  faults(): readonly string[]
}

/** Whether the machine has Chromium; tests that need it fail without it when `CI=true`. */
export function wantsChromium(): boolean {
  return process.env['CI'] === 'true' || findChromium() !== undefined
}

/** @throws `Error` when there is none */
export async function startBrowser(): Promise<TestBrowser> {
  const executablePath = findChromium()
  if (executablePath === undefined) throw new Error('there is no Chromium on the PATH')
  const browser = await chromium.launch({ executablePath, args: ARGUMENTS })
  return {
    async open({ expectedFailures = [], ...options } = {}) {
      const context = await browser.newContext(options)
      const faults = await watch(context, expectedFailures)
      return { context, page: await context.newPage(), faults: () => faults }
    },
    close: () => browser.close(),
  }
}

function findChromium(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const paths = folders.flatMap((folder) => PROGRAMS.map((program) => join(folder, program)))
  return [...paths, chromium.executablePath()].find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

async function watch(context: BrowserContext, expected: readonly string[]): Promise<string[]> {
  const faults: string[] = []
  await context.exposeBinding('reportViolation', (_source, violation: string) => {
    faults.push(`csp: ${violation}`)
  })
  await context.addInitScript(`addEventListener('securitypolicyviolation', (event) => {
    reportViolation(event.violatedDirective + ' ' + event.blockedURI + ' ' + event.sourceFile)
  })`)
  context.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return
    const failure = failureOf(message.text(), message.location().url)
    if (failure !== undefined && expected.includes(failure)) return
    faults.push(`console: ${failure ?? message.text()}`)
  })
  context.on('weberror', (error) => faults.push(`exception: ${error.error()}`))
  context.on('request', (request) => {
    const url = new URL(request.url())
    if (url.protocol.startsWith('http') && !['localhost', '127.0.0.1'].includes(url.hostname)) {
      faults.push(`request: ${url.origin}`)
    }
  })
  return faults
}

/** Chromium's own message about a request that was refused or failed: `403 /v1/sessions`. */
function failureOf(text: string, url: string): string | undefined {
  const what = /^Failed to load resource: (?:.*status of (\d+)|net::(\w+))/.exec(text)
  if (what === null || !URL.canParse(url)) return undefined
  return `${what[1] ?? what[2]} ${new URL(url).pathname}`
}
