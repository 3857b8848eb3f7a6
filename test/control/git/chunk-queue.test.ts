import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ChunkQueue } from '../../../src/control/git/chunk-queue.ts';

test('bytes come out in order, in pieces of any size, however they were cut', () => {
  const chunks = fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 9 });
  fc.assert(
    fc.property(chunks, fc.array(fc.nat(12)), (given, sizes) => {
      const queue = new ChunkQueue();
      for (const chunk of given) queue.push(chunk);
      const all = Buffer.concat(given);
      let at = 0;
      for (const size of sizes) {
        const count = Math.min(size, queue.length);
        expect(queue.peek(count)).toEqual(all.subarray(at, at + count));
        expect(queue.take(count)).toEqual(all.subarray(at, at + count));
        at += count;
        expect(queue.length).toBe(all.length - at);
      }
    }),
  );
});
