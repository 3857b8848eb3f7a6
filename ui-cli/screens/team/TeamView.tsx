import { Box } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { formatAgo } from '../../text/format.ts';
import { visible } from '../../text/visible.ts';
import { mayDo } from '../handler/tab.ts';
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
      {isAlone ? (
        <EmptyState
          title="Nobody else works on it"
          lines={
            mayDo(screen.handler, 'setCollaborator')
              ? [
                  'Press a to give somebody a role, or:',
                  '',
                  `  wasmcloud team ${screen.handler.name} add USER deployer`,
                ]
              : []
          }
        />
      ) : null}
    </Box>
  );
}
