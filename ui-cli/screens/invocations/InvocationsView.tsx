import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { formatClock, formatCount, formatDuration } from '../../text/format.ts';
import { visible } from '../../text/visible.ts';
import { tabKey } from '../handler/tab.ts';
import type { InvocationsTab } from './invocations-tab.ts';

const columns = [
  { title: 'TIME' },
  { title: 'STATUS', align: 'right' },
  { title: 'OUTCOME' },
  { title: 'TOOK', align: 'right' },
  { title: 'GAS', align: 'right' },
  { title: 'LOG', align: 'right', dropAt: 2 },
  { title: 'V', dropAt: 3 },
  { title: 'REQUEST', shrinkTo: 12 },
] as const;

export function InvocationsView({ screen }: ScreenProps<InvocationsTab>) {
  if (screen.isEmpty) {
    const { name } = screen.handler;
    return (
      <EmptyState
        title="No invocations yet"
        lines={[`Press ${tabKey('invoke')} to call it, or:`, '', `  wasmcloud invoke ${name}`]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => {
    const failed = item.outcome !== 'ok' && item.outcome !== 'running';
    return {
      key: item.id,
      selected,
      cells: [
        formatClock(item.startedMs),
        String(item.status),
        item.outcome,
        formatDuration(item.durationMs),
        formatCount(item.gas),
        String(item.logLines),
        `v${item.deployment}`,
        visible(`${item.method} ${item.path}`),
      ],
      styles: failed ? [undefined, { color: 'red' }, { color: 'red' }] : [],
    };
  });
  return <Table columns={columns} rows={rows} />;
}
