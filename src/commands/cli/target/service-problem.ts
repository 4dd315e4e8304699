import { z } from 'zod'
import { textOfCode } from '../../../respond/codes.ts'
import { CommandError, EXIT, type ExitCode } from '../exit.ts'
import { exitCodeOf } from '../exit-code.ts'
import { printable } from '../output.ts'

/** RFC 9457, as this service answers it; of another's answer only the status counts. */
const problem = z.object({ code: z.string(), detail: z.string(), request_id: z.string() })

/**
 * A refusal as an error: what to do, code and request id.
 *
 * @param response - status and headers
 * @param body - its text
 */
export function problemOf(response: Response, body: string): CommandError {
  const parsed = problem.safeParse(parse(body)).data
  if (parsed === undefined) return foreignAnswer(response.status)
  const { code, detail, request_id: requestId } = parsed
  const after = response.headers.get('retry-after')
  const lines = [
    [printable(detail), textOfCode(code)?.command ?? []].flat().join(' '),
    `code: ${printable(code)}`,
    `request_id: ${printable(requestId)}`,
    ...(after === null ? [] : [`retry after: ${printable(after)} s`]),
  ]
  return new CommandError(exitCodeOf(code), lines.join('\n'))
}

function foreignAnswer(status: number): CommandError {
  const exitCode: ExitCode = status >= 502 && status <= 504 ? EXIT.unavailable : EXIT.failed
  const what = status >= 300 && status < 400 ? 'a redirect' : `status ${status}`
  return new CommandError(
    exitCode,
    `got ${what}, and not from this service; check --url or CHATKIT_MINT_URL, and what stands between.`,
  )
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}
