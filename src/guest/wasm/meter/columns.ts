/**
 * Columns of numbers that grow by doubling. What the meter knows of nodes, loops and edits stands in columns, one
 * number for each node, loop or edit; each column belongs to one class, which alone writes it.
 */

/** Returns a column twice as long that begins with the numbers of `column`. */
export function grown(column: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(column.length * 2);
  larger.set(column);
  return larger;
}

/** The same for a column of bytes. */
export function grownBytes(column: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(column.length * 2);
  larger.set(column);
  return larger;
}
