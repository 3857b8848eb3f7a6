/** Downloads whose right is looked at again: what they read from ends with them. */
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { checkedPieces } from '../../../src/control/api/checked-pieces.ts';
import { lineStream } from '../../../src/control/exports/lines.ts';

async function opened() {
  const ended = Promise.withResolvers<void>();
  async function* lines() {
    try {
      for (;;) yield 'a line';
    } finally {
      ended.resolve();
    }
  }
  return { stream: await lineStream(lines()), ended: ended.promise };
}

it('a download that nobody has read ends what it reads from', async () => {
  const { stream, ended } = await opened();
  const pieces = checkedPieces(stream, async () => {});
  pieces.destroy();
  await once(pieces, 'close');
  expect(stream.destroyed).toBe(true);
  await ended;
});

it('a download whose right has ended ends with the error, and what it reads from too', async () => {
  const { stream, ended } = await opened();
  let looks = 0;
  const pieces = checkedPieces(stream, async () => {
    looks += 1;
    if (looks === 3) throw new Error('no right');
  });
  const seen: unknown[] = [];
  await expect(
    (async () => {
      for await (const piece of pieces) seen.push(String(piece));
    })(),
  ).rejects.toThrow('no right');
  expect(seen.length).toBeLessThanOrEqual(2);
  await ended;
});
