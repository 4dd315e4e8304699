// Finds the numbers that stand at the wrong place in a list that should ascend: the fewest that must go.

/** @returns positions, ascending */
export function outOfOrder(numbers: readonly number[]): readonly number[] {
  // The longest ascending selection, by patience sorting in n log n: `ends[k]` is where a selection of k + 1
  // numbers ends lowest, `before[at]` the position that precedes `at` in its selection.
  const ends: number[] = []
  const before: (number | undefined)[] = []
  for (const [at, number] of numbers.entries()) {
    const length = lengthBelow(ends, number)
    before.push(ends[length - 1])
    ends[length] = at
  }
  const inOrder = new Set<number>()
  for (let at = ends.at(-1); at !== undefined; at = before[at]) inOrder.add(at)
  return [...numbers.keys()].filter((at) => !inOrder.has(at))

  function lengthBelow(positions: readonly number[], number: number): number {
    let [low, high] = [0, positions.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((numbers[positions[middle] ?? 0] ?? 0) < number) low = middle + 1
      else high = middle
    }
    return low
  }
}
