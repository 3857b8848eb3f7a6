/**
 * Converts constants of the specification's scripts to bits, so that every NaN and every vector can be compared
 * exactly.
 */

/** A constant of a script, or a pattern for a result. */
export interface ScriptValue {
  readonly type: 'i32' | 'i64' | 'f32' | 'f64' | 'v128' | 'externref' | 'funcref' | 'exnref';
  /** Bits as a decimal number, `null`, the number of a host reference, or `nan:canonical` and `nan:arithmetic`. */
  readonly value?: string | readonly string[];
  readonly lane_type?: 'i8' | 'i16' | 'i32' | 'i64' | 'f32' | 'f64';
}

/** A number, as its bits, or a reference. */
export type Bits = bigint | { readonly reference: unknown };

const widths = { i8: 8, i16: 16, i32: 32, i64: 64, f32: 32, f64: 64 } as const;
const hosts = new Map<string, object>();

/** Returns the object for host reference `number`, the same object for the same number. */
function hostReference(number: string): object {
  const known = hosts.get(number) ?? { hostReference: number };
  hosts.set(number, known);
  return known;
}

/** Returns the bits of an argument. */
export function bitsOf({ type, value, lane_type: lane }: ScriptValue): Bits {
  if (type === 'externref' || type === 'funcref' || type === 'exnref')
    return { reference: value === 'null' || value === undefined ? null : hostReference(String(value)) };
  if (type === 'v128' && Array.isArray(value)) {
    const width = widths[lane ?? 'i32'];
    return value.reduce((all, part, index) => all | (BigInt.asUintN(width, BigInt(part)) << BigInt(index * width)), 0n);
  }
  return BigInt.asUintN(type === 'i32' || type === 'f32' ? 32 : 64, BigInt(String(value)));
}

/** Returns whether a result is one that the script expects. */
export function matches(expected: ScriptValue, actual: Bits): boolean {
  const { type, value, lane_type: lane } = expected;
  if (typeof actual !== 'bigint') {
    if (value === undefined) return actual.reference !== null;
    const wanted = bitsOf(expected);
    return typeof wanted !== 'bigint' && wanted.reference === actual.reference;
  }
  if (type !== 'v128' || !Array.isArray(value))
    return matchesNumber(String(value), type === 'f64' ? 64 : 32, actual, type);
  const width = widths[lane ?? 'i32'];
  return value.every((part, index) =>
    matchesNumber(part, width, BigInt.asUintN(width, actual >> BigInt(index * width)), lane ?? 'i32'),
  );
}

/** Matches one number of `width` bits; NaN patterns as in the core specification, 4.3.3 (NaN propagation). */
function matchesNumber(expected: string, width: number, actual: bigint, type: string): boolean {
  if (!expected.startsWith('nan:')) return BigInt.asUintN(type === 'i64' ? 64 : width, BigInt(expected)) === actual;
  const quiet = width === 32 ? 0x7fc0_0000n : 0x7ff8_0000_0000_0000n;
  const magnitude = BigInt.asUintN(width - 1, actual);
  return expected === 'nan:canonical' ? magnitude === quiet : (magnitude & quiet) === quiet;
}
