/** Implements CommonWA `env`: environment variables. */
import { KIB } from '../../../../protocol/limits.ts';
import { Errno } from '../../errno.ts';
import { cwaRow, i32s } from './errno.ts';

/** Most bytes of a name. Without the limit a guest could pass its whole memory as a name. */
const keyBytesMax = 4 * KIB;

/**
 * Reads the variable whose name of `key_len` bytes stands at `key_ptr`. Returns the value's length in bytes. Writes the
 * value to `value_ptr` where it fits into `value_len` bytes, and nothing where it does not, so a first call with
 * `value_len` 0 asks for the size.
 *
 *     key_ptr -> "GREETING"    value_ptr -> "hello" . . . .    = 5
 *
 * Errors: -4 no such variable; -2 the name is not UTF-8.
 */
export const envGet = cwaRow({
  name: 'env_get',
  params: i32s('key_ptr', 'key_len', 'value_ptr', 'value_len'),
  waits: false,
  run: ({ memory, options }, keyPointer, keyLength, valuePointer, valueLength) => {
    memory.check(keyPointer, keyLength);
    memory.check(valuePointer, valueLength);
    if (keyLength >>> 0 > keyBytesMax) return Errno.notFound;
    const key = memory.strictText(keyPointer, keyLength);
    if (key === null) return Errno.invalid;
    const value = options.env.get(key);
    if (value === undefined) return Errno.notFound;
    const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
    if (length > valueLength >>> 0) return length;
    if (typeof value === 'string') memory.putText(valuePointer, value, length);
    else memory.put(valuePointer, value);
    return length;
  },
});
