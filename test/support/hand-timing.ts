import { onTestFinished, vi } from 'vitest'

export type HandTiming = ReturnType<typeof handTiming>

/** Until the end of the test, `performance.now()` starts at 0, and only the test moves it and the intervals. */
export function handTiming() {
  let time = 0
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => time)
  onTestFinished(() => {
    clock.mockRestore()
    vi.useRealTimers()
  })
  return {
    /** Moves the time by this many milliseconds, then runs the interval once. */
    fire(milliseconds: number): void {
      time += milliseconds
      vi.advanceTimersToNextTimer()
    },
  }
}
