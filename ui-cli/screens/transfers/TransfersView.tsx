import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { formatIn } from '../../text/format.ts';
import type { TransfersScreen } from './transfers-screen.ts';

const columns = [{ title: 'HANDLER', shrinkTo: 12 }, { title: 'FROM', shrinkTo: 12 }, { title: 'LAPSES' }] as const;

export function TransfersView({ screen }: ScreenProps<TransfersScreen>) {
  const nowMs = Date.now();
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="Nobody offers you a handler"
        lines={[
          'An owner offers one with t in the danger zone of the handler, or:',
          '',
          '  wasmcloud transfer NAME USER',
        ]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.handler,
    selected,
    cells: [item.handler, item.from, formatIn(item.expiresMs, nowMs)],
  }));
  return <Table columns={columns} rows={rows} />;
}
