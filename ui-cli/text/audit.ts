/** Formats audit entries. */
import type { AuditEntry } from '../../src/protocol/views.ts';
import { formatDate } from './format.ts';
import { table } from './table.ts';
import { visible } from './visible.ts';

export function auditTable(entries: readonly AuditEntry[]): string[] {
  return table(
    ['NUMBER', 'WHEN', 'WHO', 'DID', 'HANDLER', 'FROM', 'TOKEN', 'WHAT'].map((title) => ({ title })),
    entries.map((entry) => [
      String(entry.number),
      formatDate(entry.timeMs),
      visible(entry.user),
      entry.outcome === 'ok' ? entry.operation : `${entry.operation} (${entry.outcome})`,
      visible(entry.handler ?? '-'),
      visible(entry.address),
      entry.tokenId ?? 'password',
      entry.detail === '{}' ? '' : visible(entry.detail),
    ]),
  );
}
