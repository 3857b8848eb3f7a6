/**
 * Makes columns of numbers longer. The meter keeps its facts about nodes, loops and edits in columns, one number for
 * each node, loop or edit; each column belongs to one class, and no other class writes it.
 */

/** Returns a column of twice the length that begins with the numbers of `column`. */
export function grown(column: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** Returns a column of bytes of twice the length that begins with those of `column`. */
export function grownBytes(column: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(column.length * 2);
  larger.set(column);
  return larger;
}
