/** What a call of a component leaves to the garbage collector: V8 must be able to collect it while it is young. */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { MIB } from '../../src/protocol/limits.ts';
import { MemoryBudget } from '../../src/runner/memory-budget.ts';
import { SlotPool } from '../../src/runner/pool.ts';
import { RecordedHttp } from '../support/incoming-http.ts';
import { fixture } from '../support/run-guest.ts';
import { codeOf, runIn } from '../support/runner-guests.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { readonly type: 'minor' }) => void;

/** Bytes in V8's old generation, to which objects move that two young collections found alive. */
function oldBytes(): number {
  return getHeapSpaceStatistics().find(({ space_name }) => space_name === 'old_space')?.space_used_size ?? 0;
}

it.each(['http', 'http3', 'cgi', 'cli3'])('calls of %s leave nothing that two young collections keep', async (name) => {
  const code = await codeOf(fixture(`component/${name}`));
  const pool = new SlotPool(code, new MemoryBudget(256 * MIB), () => {});
  const calls = async (count: number): Promise<void> => {
    for (let call = 0; call < count; call += 1) {
      const slot = pool.take();
      if (slot === null) throw new Error('no slot');
      await runIn(slot, code, 'some words', 5_000_000, { http: new RecordedHttp({}) });
      pool.give(slot, true);
      if (call % 25 === 0) collect({ type: 'minor' });
    }
  };
  await calls(1_000);
  collect();
  const before = oldBytes();
  await calls(1_000);
  const kept = (oldBytes() - before) / 1_000;
  expect(kept).toBeLessThan(500);
  pool.close();
});
