import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { colourOf } from '../../text/colour.ts';
import { formatAgo, formatCount, formatDuration } from '../../text/format.ts';
import type { HandlersScreen } from './handlers-screen.ts';

const columns = [
  { title: 'NAME', shrinkTo: 12 },
  { title: 'STATE' },
  { title: 'LIVE' },
  { title: 'REQ/S', align: 'right' },
  { title: 'ERRORS', align: 'right' },
  { title: 'P50', align: 'right', dropAt: 3 },
  { title: 'P99', align: 'right', dropAt: 2 },
  { title: 'GAS', align: 'right', dropAt: 4 },
  { title: 'DEPLOYED' },
  { title: 'URL', dropAt: 9 },
] as const;

const stateStyles = {
  live: { color: 'green' },
  failed: { color: 'red', bold: true },
  empty: { dimColor: true },
  deleted: { dimColor: true },
} as const;

export function HandlersView({ screen }: ScreenProps<HandlersScreen>) {
  const nowMs = Date.now();
  if (screen.isEmpty) {
    return (
      <EmptyState
        title="No handlers yet"
        lines={['Press c to create one, or in your repository:', '', '  wasmcloud create', '  git push wasmcloud main']}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => {
    const usage = screen.usage.get(item.name);
    return {
      key: item.name,
      selected,
      cells: [
        item.name,
        item.state,
        item.version === null ? '-' : `v${item.version}`,
        usage === undefined ? '-' : rate(usage.requestsPerSecond),
        usage === undefined ? '-' : String(usage.failures),
        usage?.p50Ms == null ? '-' : formatDuration(usage.p50Ms),
        usage?.p99Ms == null ? '-' : formatDuration(usage.p99Ms),
        usage === undefined ? '-' : formatCount(usage.gas),
        item.deployedMs === null ? 'never' : formatAgo(item.deployedMs, nowMs),
        item.url,
      ],
      styles: [
        { color: colourOf(item.name) },
        stateStyles[item.state],
        undefined,
        undefined,
        usage !== undefined && usage.failures > 0 ? { color: 'red' } : undefined,
      ],
    };
  });
  return <Table columns={columns} rows={rows} />;
}

/** Returns a rate in few characters: 0, 0.3, 12, 1.2k. */
function rate(perSecond: number): string {
  return perSecond < 10 ? String(Number(perSecond.toFixed(1))) : formatCount(Math.round(perSecond));
}
