// Finds the numbers that are out of place in a list that should ascend: the smallest set whose removal leaves
// it ascending.

/** @returns positions, ascending */
export function outOfOrder(numbers: readonly number[]): readonly number[] {
  // Finds the longest ascending selection by patience sorting, in n log n. `ends[k]` is the position of the
  // lowest number that ends a selection of k + 1; `before[at]` is the position before `at` in its selection.
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
