// Refuses arguments of commands that read only the environment, because they would be ignored.

/** The exit code of sysexits.h for a wrong command line. */
const EX_USAGE = 64

/**
 * Ends the process when it was given arguments: with 0 after `--help`, else with 64.
 *
 * @param usage - one line
 */
export function takeNoArguments(usage: string): void {
  const [word, ...more] = process.argv.slice(2)
  if (word === undefined) return
  const isHelp = asksForHelp(word) && more.length === 0
  const output = isHelp ? process.stdout : process.stderr
  output.write(`usage: ${usage}\n`)
  process.exit(isHelp ? 0 : EX_USAGE)
}

/** Whether a word of the command line is `--help` or `-h`. */
export function asksForHelp(word: string | undefined): boolean {
  return word === '--help' || word === '-h'
}
