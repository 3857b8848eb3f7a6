import { Box, Text } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { formatAgo } from '../../text/format.ts';
import { visible } from '../../text/visible.ts';
import type { TeamTab } from './team-tab.ts';

const columns = [{ title: 'USER', shrinkTo: 12 }, { title: 'ROLE' }, { title: 'SINCE' }] as const;

export function TeamView({ screen }: ScreenProps<TeamTab>) {
  const nowMs = Date.now();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.user,
    selected,
    cells: [visible(item.user), item.role, item.addedMs === null ? '' : formatAgo(item.addedMs, nowMs)],
  }));
  const isAlone = screen.list.all.length === 1;
  return (
    <Box flexDirection="column">
      <Table columns={columns} rows={rows} />
      {isAlone ? <Text dimColor>{'\n   Nobody else works on it. Its owner presses a to add somebody.'}</Text> : null}
    </Box>
  );
}
