import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { type CellStyle, Table } from '../../frame/Table.tsx';
import { useApp } from '../../frame/use-app.ts';
import { scheduleCells, scheduleDetail } from '../../text/schedule.ts';
import { type SchedulesTab, scheduleDetailRows } from './schedules-tab.ts';

const columns = [
  { title: 'SCHEDULE', shrinkTo: 10 },
  { title: 'WHEN', shrinkTo: 14 },
  { title: 'NEXT' },
  { title: 'LAST RUN', shrinkTo: 12 },
] as const;

export function SchedulesView({ screen }: ScreenProps<SchedulesTab>) {
  const app = useApp();
  const nowMs = Date.now();
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="No schedules"
        lines={[
          'A schedule stands in wasmcloud.toml; push it with:',
          '',
          '  [[schedule]]',
          '  name = "nightly"',
          '  cron = "0 3 * * *"',
          '  timezone = "Europe/Berlin"',
        ]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.name,
    selected,
    cells: scheduleCells(item, nowMs),
    styles: [undefined, undefined, item.isPaused ? yellow : undefined, runStyle(item.runs[0]?.state)],
  }));
  const { selected } = screen.list;
  const size = { width: app.size.columns - 4, rows: scheduleDetailRows };
  return (
    <Box flexDirection="column" justifyContent="space-between" height={app.bodyRows}>
      <Table columns={columns} rows={rows} />
      {screen.showsDetail && selected !== undefined ? <Lines lines={scheduleDetail(selected, size)} dim /> : null}
    </Box>
  );
}

const yellow: CellStyle = { color: 'yellow' };

function runStyle(state: string | undefined): CellStyle | undefined {
  if (state === 'failed') return { color: 'red' };
  return state === 'skipped' ? yellow : undefined;
}
