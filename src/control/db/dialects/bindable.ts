/**
 * Checks a parameter of a statement before a driver gets it. Both drivers silently store values of unknown types as
 * NULL or as '[object Object]' (sqlite3: statement.cc, BindParameter; pg: utils.js, prepareValue).
 *
 * Returns a string, boolean, number, null or Buffer. Throws Error for any other type, for NaN and for integers beyond
 * 2^53: such a value is a mistake in this program.
 */
export function toBindable(value: unknown): string | boolean | number | null | Buffer {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      if (Number.isNaN(value)) throw new Error('NaN cannot be stored');
      return value;
    case 'bigint':
      if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER)
        throw new Error(`${value} is beyond the exact integers`);
      return Number(value);
    default:
      if (value === null) return value;
      if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      throw new Error(`a parameter of type ${typeof value} cannot be stored`);
  }
}
