/** Returns an object with exactly `keys`, each value made by `make(key)`: a schema per field from one list of fields. */
export function recordOf<const Key extends string, Value>(
  keys: readonly Key[],
  make: (key: Key) => Value,
): Record<Key, Value> {
  return Object.fromEntries(keys.map((key) => [key, make(key)])) as Record<Key, Value>;
}
