/** Formats a user's quota. */
import { type StoredKind, storedKinds } from '../../src/protocol/nouns.ts';
import type { QuotaView } from '../../src/protocol/views.ts';
import { formatBytes } from './format.ts';
import { facts, table } from './table.ts';

/** Share of the quota from which users are warned: pushes will soon be refused. */
const nearShare = 0.8;

const kindNames: Readonly<Record<StoredKind, string>> = {
  repositories: 'repositories',
  artifacts: 'modules',
  kv: 'kv values',
  queues: 'queues',
  logs: 'logs',
  usage: 'records of calls',
};

/** Returns `1.8 GiB of 2 GiB used (90 %)`. */
export function quotaSummary({ usedBytes, quotaBytes }: QuotaView): string {
  const percent = quotaBytes === 0 ? 100 : Math.round((usedBytes / quotaBytes) * 100);
  return `${formatBytes(usedBytes)} of ${formatBytes(quotaBytes)} used (${percent} %)`;
}

/** Returns whether the user should be warned. */
export function isNearQuota({ usedBytes, quotaBytes }: QuotaView): boolean {
  return usedBytes >= quotaBytes * nearShare;
}

export function quotaLines(view: QuotaView): string[] {
  const right = { title: 'BYTES', align: 'right' } as const;
  const rows = view.handlers.map(({ name, bytes, deleted }) => [name, formatBytes(bytes), deleted ? 'deleted' : '']);
  return [
    quotaSummary(view),
    '',
    ...facts(storedKinds.map((kind) => [kindNames[kind], formatBytes(view.byKind[kind])])),
    '',
    `${view.domains.count} of ${view.domains.max} custom domains`,
    ...(rows.length === 0 ? [] : ['', ...table([{ title: 'HANDLER' }, right, { title: '' }], rows)]),
  ];
}
