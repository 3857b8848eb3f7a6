import { Box } from 'ink';
import type { PreviewView } from '../../../src/protocol/views.ts';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { useApp } from '../../frame/use-app.ts';
import { formatAgo, formatDate, formatIn } from '../../text/format.ts';
import { visible } from '../../text/visible.ts';
import { mayDo } from '../handler/tab.ts';
import { type PreviewsTab, previewDetailRows } from './previews-tab.ts';

const columns = [
  { title: 'BRANCH', shrinkTo: 12 },
  { title: 'VERSION' },
  { title: 'COMMIT', dropAt: 1 },
  { title: 'PUSHED' },
  { title: 'CALLED' },
  { title: 'ENDS' },
  { title: 'URL', dropAt: 2 },
] as const;

export function PreviewsView({ screen }: ScreenProps<PreviewsTab>) {
  const app = useApp();
  const nowMs = Date.now();
  if (screen.isEmpty && screen.areOn !== null) {
    if (!screen.areOn) {
      const isOwner = mayDo(screen.handler, 'changeHandler');
      const lines = [isOwner ? 'Press O to let pushes of other branches make them.' : 'An owner can turn them on.'];
      return <EmptyState title="Previews are off" lines={lines} />;
    }
    return (
      <EmptyState
        title="No previews"
        lines={[
          'A push of another branch gets a version and an address of its own:',
          '',
          '  git push wasmcloud BRANCH',
        ]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.slug,
    selected,
    cells: [
      visible(item.branch),
      `v${item.version}`,
      item.commit.slice(0, 7),
      formatAgo(item.pushedMs, nowMs),
      item.calledMs === null ? 'never' : formatAgo(item.calledMs, nowMs),
      formatIn(item.endsMs, nowMs),
      item.url,
    ],
  }));
  const { selected } = screen.list;
  return (
    <Box flexDirection="column" justifyContent="space-between" height={app.bodyRows}>
      <Table columns={columns} rows={rows} />
      {screen.showsDetail && selected !== undefined ? (
        <Lines lines={detail(selected, app.size.columns - 4)} dim />
      ) : null}
    </Box>
  );
}

function detail(preview: PreviewView, width: number): string[] {
  return [
    '─'.repeat(Math.max(0, width)),
    preview.url,
    `${preview.pathUrl}   (without wildcard DNS)`,
    `ends ${formatDate(preview.endsMs)} unless it is called or pushed to before`,
  ].slice(0, previewDetailRows);
}
