/**
 * Returns an object with exactly `keys`, each value made by `make(key)`: a schema per field from one list of fields.
 */
export function recordOf<const Key extends string, Value>(
  keys: readonly Key[],
  make: (key: Key) => Value,
): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>; // one entry for each key
}

/** Returns the keys of a table that has no others than its type names: a constant, never data from outside. */
export function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): readonly Key[] {
  return Object.keys(table) as Key[]; // see above
}
