// Sends the calls that one turn of the event loop makes of one script as a single command.
import type { Script } from './client.ts'

/** The arguments of one call. */
export type Args = readonly (string | number)[]

/** Most calls of one command, because Redis serves nobody else meanwhile. */
const MOST_TOGETHER = 32

interface Call {
  readonly args: Args
  readonly resolve: (reply: unknown) => void
  readonly reject: (error: unknown) => void
}

/**
 * Under load, many calls come in one turn, and commands of their own would cost as much as the steps do. A
 * call that comes alone waits no longer than before: the client writes at the end of the turn anyway.
 *
 * @param send - sends one command; its reply is a list with a reply or an error for each call
 */
export function createGroups(
  send: (script: Script, calls: readonly Args[]) => Promise<readonly unknown[]>,
) {
  const open = new Map<Script, Call[]>()

  async function sendGroup(script: Script, group: readonly Call[]): Promise<void> {
    if (open.get(script) === group) open.delete(script)
    try {
      const replies = await send(
        script,
        group.map(({ args }) => args),
      )
      for (const [at, { resolve, reject }] of group.entries()) {
        const reply = replies[at]
        if (reply instanceof Error) reject(reply)
        else resolve(reply)
      }
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
  }

  /** A call fails alone, unless the command itself fails. */
  return (script: Script, args: Args): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const call = { args, resolve, reject }
      const group = open.get(script)
      if (group !== undefined && group.length < MOST_TOGETHER) {
        group.push(call)
        return
      }
      const begun = [call]
      open.set(script, begun)
      setImmediate(() => void sendGroup(script, begun))
    })
}
