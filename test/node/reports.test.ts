/** Reports: what waits comes together in messages of a bounded size, in order. */
import { expect, it } from 'vitest';
import { decodeMessage } from '../../src/bus/codec.ts';
import { kinds } from '../../src/bus/messages.ts';
import { nodeLimits } from '../../src/node/limits.ts';
import { Reports } from '../../src/node/reports.ts';
import type { UsageCount } from '../../src/protocol/messages.ts';
import { handlerIdOf } from '../../src/protocol/names.ts';
import type { ReportItem } from '../../src/protocol/node-report.ts';

it('has as many items as fit, and one that is larger than a message should be goes alone', async () => {
  const numbers: number[][] = [];
  const bus = {
    isConnected: true,
    messageBytes: 8 * 1024 * 1024,
    store: async (_subject: string, data: Uint8Array) => {
      const { items } = decodeMessage(data, [kinds.report]).body as { readonly items: readonly ReportItem[] };
      numbers.push(items.map(({ number }) => number));
    },
  };
  const errors: unknown[] = [];
  const reports = new Reports({ bus, nodeId: 'n1', bootId: 'b1', report: (_message, error) => errors.push(error) });
  const count = { handlerId: handlerIdOf('one'), deployment: 1 } as UsageCount;
  const counts = (length: number) => Array.from({ length }, () => count);
  // The first leaves at once; the others wait for its turn. 300 counts are reckoned as 300 KiB, at most 700 KiB go
  // together.
  await Promise.all([1, 300, 300, 300, 1_000, 300, 1].map((length) => reports.usage([], counts(length))));
  expect(numbers).toEqual([[1], [2, 3], [4], [5], [6, 7]]);
  expect(errors).toEqual([]);
  await reports.close(0);
});

it('takes no more than a number of batches while nothing can be stored, and says that further ones are lost', async () => {
  const bus = { isConnected: false, messageBytes: 8 * 1024 * 1024, store: async () => {} };
  const reports = new Reports({ bus, nodeId: 'n1', bootId: 'b1', report: () => {} });
  let settled = 0;
  const first = reports.logs([]).finally(() => (settled += 1));
  // One more than may wait: the first has been taken to be sent.
  const waiting = Array.from({ length: nodeLimits.reports }, () => reports.logs([]).finally(() => (settled += 1)));
  await expect(reports.logs([])).resolves.toBe('lost');
  expect(settled).toBe(0);
  bus.isConnected = true;
  expect(new Set(await Promise.all([first, ...waiting]))).toEqual(new Set(['stored']));
  await reports.close(0);
});

it('sends no message that NATS would refuse for its size, and goes on with the next', async () => {
  const sizes: number[] = [];
  const bus = {
    isConnected: true,
    messageBytes: 4_096,
    store: async (_subject: string, data: Uint8Array) => void sizes.push(data.length),
  };
  const reports = new Reports({ bus, nodeId: 'n1', bootId: 'b1', report: () => {} });
  const count = { handlerId: handlerIdOf('one'), deployment: 1 } as UsageCount;
  await reports.usage(
    [],
    Array.from({ length: 1_000 }, () => count),
  );
  expect(sizes).toEqual([]);
  await expect(reports.logs([])).resolves.toBe('stored');
  expect(sizes).toHaveLength(1);
  await reports.close(0);
});
