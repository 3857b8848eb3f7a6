import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { useApp } from '../../frame/use-app.ts';
import { deploymentCells, deploymentDetail } from '../../text/deployment.ts';
import { type DeploymentsTab, detailRows } from './deployments-tab.ts';

const columns = [
  { title: 'VERSION' },
  { title: 'STATE' },
  { title: 'COMMIT' },
  { title: 'WHEN' },
  { title: 'BY', dropAt: 2 },
  { title: 'SIZE', align: 'right', dropAt: 1 },
  { title: 'ABI', dropAt: 3 },
  { title: 'MODULE', shrinkTo: 10 },
  { title: 'SUBJECT', dropAt: 4, shrinkTo: 10 },
] as const;

const stateStyles = {
  live: { color: 'green', bold: true },
  failed: { color: 'red' },
  staged: { color: 'yellow' },
  retired: { dimColor: true },
} as const;

export function DeploymentsView({ screen }: ScreenProps<DeploymentsTab>) {
  const app = useApp();
  const nowMs = Date.now();
  if (screen.isEmpty) {
    return <EmptyState title="Nothing deployed yet" lines={['In your repository:', '', '  git push wasmcloud main']} />;
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: String(item.number),
    selected,
    cells: deploymentCells(item, nowMs),
    styles: [undefined, stateStyles[item.state]],
  }));
  const { selected } = screen.list;
  return (
    <Box flexDirection="column" justifyContent="space-between" height={app.bodyRows}>
      <Table columns={columns} rows={rows} />
      {screen.showsDetail && selected !== undefined ? (
        <Lines lines={deploymentDetail(selected, app.size.columns - 4).slice(0, detailRows)} dim />
      ) : null}
    </Box>
  );
}
