// Lets an export rest, so that everybody else's requests come to their turn.

import { setTimeout } from 'node:timers/promises'

/** An export works at least so long before it rests, in milliseconds. */
const LEAST_WORK_MS = 10

/** Rests for as long as the process was busy: an export reads page after page, and a fast upstream makes no pause for it. */
export function createGiveWay() {
  let before = performance.eventLoopUtilization()
  return async () => {
    const { active } = performance.eventLoopUtilization(before)
    if (active < LEAST_WORK_MS) return
    await setTimeout(active)
    before = performance.eventLoopUtilization()
  }
}
