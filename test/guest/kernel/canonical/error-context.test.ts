/** Error contexts keep little of a long message. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { ErrorContext } from '../../../../src/guest/kernel/canonical/async/error-context.ts';
import { MIB } from '../../../../src/protocol/limits.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of V8's heap and of strings outside of it that are in use. */
function usedBytes(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it('keeps the first 1,024 characters of a message, and not the rest', () => {
  const bytes = Buffer.alloc(MIB / 2, 'é');
  const before = usedBytes();
  const contexts = Array.from({ length: 100 }, () => new ErrorContext(bytes.toString('utf8')));
  expect(usedBytes() - before).toBeLessThan(5 * MIB);
  expect(new Set(contexts.map(({ message }) => message))).toEqual(new Set(['é'.repeat(1_024)]));
  expect(new ErrorContext('\u{1f600}!').message).toBe('\u{1f600}!');
});
