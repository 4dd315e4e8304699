// Shows the service's log to a person, one short line for each request.

import { Writable } from 'node:stream'
import { z } from 'zod'

export type DemoLog = ReturnType<typeof createDemoLog>

/** Requests that are remembered. */
const KEPT_REQUESTS = 200

const WARN = 40

const logLine = z.looseObject({
  level: z.number(),
  msg: z.string(),
  method: z.string().optional(),
  route: z.string().optional(),
  status: z.number().optional(),
  code: z.string().optional(),
  reason: z.string().optional(),
  workflow: z.string().optional(),
  ms: z.number().optional(),
  request_id: z.string().optional(),
  upstream: z.looseObject({ request_id: z.string().optional() }).optional(),
})
type LogLine = z.infer<typeof logLine>

type Advice = (code: string, route: string) => string | undefined

/**
 * A stream that takes the service's log and shows it to a person.
 *
 * @param output - gets the short lines
 * @param adviseOn - what stands at the end of a refusal's line
 */
export function createDemoLog(output: NodeJS.WritableStream, adviseOn: Advice = () => undefined) {
  let requestsToo = false
  const requests: LogLine[] = []
  const stream = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      for (const text of String(chunk).split('\n').filter(Boolean)) {
        const line = logLine.parse(JSON.parse(text))
        const isRequest = line.msg === 'request'
        if (isRequest && requests.push(line) > KEPT_REQUESTS) requests.shift()
        if (isRequest && requestsToo) output.write(`${describeRequest(line, adviseOn)}\n`)
        else if (line.level >= WARN) output.write(`${text}\n`)
      }
      done()
    },
  })
  return Object.assign(stream, {
    /** Shows requests from now on, not only warnings. */
    showRequests() {
      requestsToo = true
    },
    /** One of the latest requests, by the request id of its answer. */
    requestOf: (id: string) => requests.findLast((line) => line.request_id === id),
  })
}

/** `POST /v1/sessions 403 workflow_not_allowed: support (2 ms)` */
function describeRequest(line: LogLine, adviseOn: Advice): string {
  const { method = '-', route = '', status, code, reason, workflow, ms = 0 } = line
  const why = code === undefined ? workflow : `${code}${reason === undefined ? '' : `: ${reason}`}`
  const more = code === undefined ? undefined : adviseOn(code, route)
  const parts = [method, route, status, why, more && `(${more})`, `(${Math.round(ms)} ms)`]
  return parts.filter((part) => part !== undefined && part !== '').join(' ')
}
