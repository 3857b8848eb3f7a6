import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { type CellStyle, Table } from '../../frame/Table.tsx';
import { useApp } from '../../frame/use-app.ts';
import { drainDetail } from '../../text/drain.ts';
import { formatAgo, formatCount } from '../../text/format.ts';
import { visible } from '../../text/visible.ts';
import { type DrainsTab, drainDetailRows } from './drains-tab.ts';

const columns = [
  { title: 'DRAIN', shrinkTo: 10 },
  { title: 'KIND' },
  { title: 'SENT', align: 'right' },
  { title: 'LOST', align: 'right' },
  { title: 'LAST' },
  { title: 'STATE' },
] as const;

const red: CellStyle = { color: 'red' };
const yellow: CellStyle = { color: 'yellow' };

export function DrainsView({ screen }: ScreenProps<DrainsTab>) {
  const app = useApp();
  const nowMs = Date.now();
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="No drains"
        lines={[
          'A drain hands log lines on to another system: a webhook, syslog, OpenTelemetry or a bucket.',
          '',
          `  wasmcloud drains set ${screen.handler.name} archive < settings.json`,
        ]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.name,
    selected,
    cells: [
      visible(item.name),
      item.kind,
      formatCount(item.sent),
      formatCount(item.lost),
      item.sentMs === null ? 'never' : formatAgo(item.sentMs, nowMs),
      item.failures === 0 ? 'ok' : `failed ${formatCount(item.failures)} times`,
    ],
    styles: [
      undefined,
      undefined,
      undefined,
      item.lost > 0 ? yellow : undefined,
      undefined,
      item.failures > 0 ? red : undefined,
    ],
  }));
  const { selected } = screen.list;
  const detail = selected === undefined ? [] : drainDetail(selected, nowMs, app.size.columns - 4);
  return (
    <Box flexDirection="column" justifyContent="space-between" height={app.bodyRows}>
      <Table columns={columns} rows={rows} />
      {screen.showsDetail && selected !== undefined ? <Lines lines={detail.slice(0, drainDetailRows)} dim /> : null}
    </Box>
  );
}
