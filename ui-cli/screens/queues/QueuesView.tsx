import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { deliveryWord, queueCells } from '../../text/queue.ts';
import type { QueuesScreen } from './queues-screen.ts';

const columns = [
  { title: 'QUEUE', shrinkTo: 12 },
  { title: 'STATE' },
  { title: 'READY', align: 'right' },
  { title: 'IN FLIGHT', align: 'right', dropAt: 2 },
  { title: 'DEAD', align: 'right' },
  { title: 'OLDEST', dropAt: 1 },
  { title: 'IN/MIN', align: 'right', dropAt: 4 },
  { title: 'OUT/MIN', align: 'right', dropAt: 3 },
  { title: 'DONE', align: 'right', dropAt: 7 },
  { title: 'SIZE', align: 'right', dropAt: 6 },
  { title: 'CONSUMERS', dropAt: 5 },
] as const;

const stateStyles = {
  delivers: { color: 'green' },
  paused: { color: 'yellow', bold: true },
  'no consumer': { dimColor: true },
} as const;

export function QueuesView({ screen }: ScreenProps<QueuesScreen>) {
  const nowMs = Date.now();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="No queues yet"
        lines={[
          'A first message makes a queue. Press a to publish one, or:',
          '',
          '  wasmcloud queue publish emails "hello"',
          '',
          'A function consumes it with this in wasmcloud.toml:',
          '',
          '  [[queue]]',
          '  name = "emails"',
        ]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.name,
    selected,
    cells: queueCells(item, nowMs),
    styles: [
      undefined,
      stateStyles[deliveryWord(item)],
      undefined,
      undefined,
      item.messages.dead > 0 ? ({ color: 'red', bold: true } as const) : undefined,
    ],
  }));
  return <Table columns={columns} rows={rows} />;
}
