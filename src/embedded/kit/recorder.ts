// Keeps the latest requests of an embedded server, for tests and developers.

const KEPT_REQUESTS = 1000

/** Entries of one kind of request. */
export type Recorder<Entry> = ReturnType<typeof createRecorder<Entry>>

/** An entry may still change while its request is answered. */
export function createRecorder<Entry>() {
  const kept: Entry[] = []
  return {
    add(entry: Entry): Entry {
      kept.push(entry)
      if (kept.length > KEPT_REQUESTS) kept.shift()
      return entry
    },
    /** Oldest first. */
    all: (): readonly Entry[] => kept.slice(),
    clear(): void {
      kept.length = 0
    },
  }
}
