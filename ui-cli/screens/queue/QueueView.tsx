import { Box } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { Text } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import { messageCells } from '../../text/queue.ts';
import { visible } from '../../text/visible.ts';
import { queueHead, type StatePiece, stateBar } from './queue-head.ts';
import type { QueueScreen } from './queue-screen.ts';

const columns = [
  { title: 'POSITION', align: 'right', dropAt: 2 },
  { title: 'STATE' },
  { title: 'PUBLISHED' },
  { title: 'TRIES', align: 'right' },
  { title: 'SIZE', align: 'right', dropAt: 1 },
  { title: 'REASON', shrinkTo: 20 },
  { title: 'MESSAGE', shrinkTo: 12 },
] as const;
const reasonColumn = 5;

const stateStyles = {
  ready: {},
  inflight: { color: 'yellow' },
  dead: { color: 'red', bold: true },
  done: { dimColor: true },
} as const;

export function QueueView({ screen }: ScreenProps<QueueScreen>) {
  const app = useApp();
  const nowMs = Date.now();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const { data } = screen.queue;
  const head = data === null ? ['', ''] : queueHead(data, nowMs);
  return (
    <Box flexDirection="column">
      {head.map((line, i) => (
        <Box key={i} height={1}>
          <Text wrap="truncate" dimColor={i > 0}>{`  ${line}`}</Text>
        </Box>
      ))}
      <StateBar pieces={stateBar(data, screen.state, app.size.columns)} />
      {screen.isEmpty ? <NoMessages screen={screen} /> : <Messages screen={screen} nowMs={nowMs} />}
    </Box>
  );
}

function StateBar({ pieces }: { readonly pieces: readonly StatePiece[] }) {
  return (
    <Box height={1}>
      <Text wrap="truncate">
        {' '}
        {pieces.map((piece) => (
          <Text key={piece.text} bold={piece.open} inverse={piece.open} dimColor={!piece.open}>
            {piece.text}
          </Text>
        ))}
      </Text>
    </Box>
  );
}

function NoMessages({ screen }: ScreenProps<QueueScreen>) {
  if (screen.state !== null)
    return <EmptyState title="No messages in this state" lines={['Tab shows those in another one.']} />;
  return (
    <EmptyState
      title="No messages"
      lines={['Press a to publish one, or:', '', `  wasmcloud queue publish ${visible(screen.name)} "hello"`]}
    />
  );
}

function Messages({ screen, nowMs }: ScreenProps<QueueScreen> & { readonly nowMs: number }) {
  const { window } = screen.list;
  const all = window.map(({ item, selected }) => ({
    key: item.id,
    selected,
    cells: messageCells(item, nowMs),
    styles: [undefined, stateStyles[item.state]],
  }));
  if (all.some(({ cells }) => cells[reasonColumn] !== '')) return <Table columns={columns} rows={all} />;
  const rows = all.map((row) => ({ ...row, cells: row.cells.toSpliced(reasonColumn, 1) }));
  return <Table columns={columns.toSpliced(reasonColumn, 1)} rows={rows} />;
}
