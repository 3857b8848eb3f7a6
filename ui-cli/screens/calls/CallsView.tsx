import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { useApp } from '../../frame/use-app.ts';
import { callCells, callDetail, callWords } from '../../text/call.ts';
import { visible } from '../../text/visible.ts';
import { cut } from '../../text/width.ts';
import type { CallsTab } from './calls-tab.ts';

const columns = [
  { title: 'CALL', dropAt: 2 },
  { title: 'ACCEPTED' },
  { title: 'STATE' },
  { title: 'TRIES', align: 'right', dropAt: 1 },
  { title: 'STATUS', align: 'right' },
  { title: 'TOOK', align: 'right', dropAt: 3 },
  { title: 'NEXT TRY' },
  { title: 'REASON', shrinkTo: 12 },
] as const;

/** Index of the column with the reason. */
const reasonColumn = 7;

const stateStyles = {
  ready: { color: 'yellow' },
  inflight: { color: 'yellow' },
  done: { color: 'green' },
  failed: { color: 'red', bold: true },
  skipped: { dimColor: true },
} as const;

export function CallsView({ screen }: ScreenProps<CallsTab>) {
  const app = useApp();
  const nowMs = Date.now();
  const url = screen.handler.handler.data?.url;
  if (screen.isEmpty && screen.state !== null)
    return <EmptyState title={`No call ${callWords[screen.state]}`} lines={['s shows those in another state.']} />;
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="No asynchronous calls"
        lines={[
          'A caller that does not want to wait asks for one:',
          '',
          `  curl -i -H 'Prefer: respond-async' ${url ?? 'URL'}`,
          '',
          'Its answer is read at the address that the caller is given.',
        ]}
      />
    );
  }
  // A long reason would drop other columns; it stands below the list in full.
  const reasonCells = Math.max(14, app.size.columns - 64);
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.id,
    selected,
    cells: callCells(item, nowMs).with(
      reasonColumn,
      cut(item.reason === null ? '' : visible(item.reason), reasonCells),
    ),
    styles: [undefined, undefined, stateStyles[item.state]],
  }));
  const { selected } = screen.list;
  return (
    <Box flexDirection="column" justifyContent="space-between" height={app.bodyRows}>
      <Table columns={columns} rows={rows} />
      {screen.showsDetail && selected !== undefined ? (
        <Lines lines={callDetail(selected, app.size.columns - 4)} dim />
      ) : null}
    </Box>
  );
}
