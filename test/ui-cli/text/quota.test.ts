import { expect, test } from 'vitest';
import type { QuotaView } from '../../../src/protocol/views.ts';
import { isNearQuota, quotaLines } from '../../../ui-cli/text/quota.ts';

const mib = 1024 * 1024;
const view: QuotaView = {
  quotaBytes: 2_048 * mib,
  usedBytes: 1_843 * mib,
  byKind: { repositories: 1_800 * mib, artifacts: 40 * mib, kv: 0, queues: 0, logs: 3 * mib, usage: 0 },
  handlers: [
    { name: 'swift-otter', bytes: 1_842 * mib, deleted: false },
    { name: 'gone', bytes: mib, deleted: true },
  ],
  domains: { count: 3, max: 200 },
};

test('a quota says how much is used, for what, and by which handlers', () => {
  expect(quotaLines(view)).toEqual([
    '1.8 GiB of 2 GiB used (90 %)',
    '',
    'repositories      1.8 GiB',
    'modules           40 MiB',
    'kv values         0 B',
    'queues            0 B',
    'logs              3 MiB',
    'records of calls  0 B',
    '',
    '3 of 200 custom domains',
    '',
    'HANDLER        BYTES',
    'swift-otter  1.8 GiB',
    'gone           1 MiB  deleted',
  ]);
});

test('from four fifths on it is near', () => {
  expect(isNearQuota(view)).toBe(true);
  expect(isNearQuota({ ...view, usedBytes: 1_600 * mib })).toBe(false);
});
