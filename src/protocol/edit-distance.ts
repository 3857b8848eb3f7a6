/** How far two names are apart, for suggestions after a mistyped one. */

/**
 * Returns the number of letters to insert, leave out, replace or exchange with their neighbour that make `left` to
 * `right` (optimal string alignment). Takes time of the product of both lengths, so they have to be bounded.
 */
export function editDistance(left: string, right: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, column) => column);
  for (let row = 1; row <= left.length; row++) {
    const current = [row];
    for (let column = 1; column <= right.length; column++) {
      const substitution = last[column - 1]! + (left[row - 1] === right[column - 1] ? 0 : 1);
      let least = Math.min(substitution, last[column]! + 1, current[column - 1]! + 1);
      if (row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1])
        least = Math.min(least, beforeLast[column - 2]! + 1);
      current.push(least);
    }
    [beforeLast, last] = [last, current];
  }
  return last[right.length]!;
}
