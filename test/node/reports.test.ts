/** Reports: what waits comes together in messages of a bounded size, in order. */
import { expect, it } from 'vitest';
import { decodeMessage } from '../../src/bus/codec.ts';
import { kinds } from '../../src/bus/messages.ts';
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
  // The first leaves at once; the others wait for its turn. 300 counts are reckoned as 300 KiB, at most 700 KiB go together.
  await Promise.all([1, 300, 300, 300, 1_000, 300, 1].map((length) => reports.usage([], counts(length))));
  expect(numbers).toEqual([[1], [2, 3], [4], [5], [6, 7]]);
  expect(errors).toEqual([]);
  await reports.close(0);
});
