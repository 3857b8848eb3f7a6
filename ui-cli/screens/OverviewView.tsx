import { Box, Text } from 'ink';
import { Lines } from '../components/Lines.tsx';
import { gitUrl } from '../git-remote.ts';
import { useApp } from '../hooks/use-app.ts';
import { overviewLines } from '../model/overview.ts';
import type { OverviewTab } from '../model/overview-tab.ts';
import { colourOf } from '../text/colour.ts';

export function OverviewView({ tab }: { readonly tab: OverviewTab }) {
  const app = useApp();
  const view = tab.handler.handler.data;
  if (view === null) return <Text dimColor>{'   loading …'}</Text>;
  const lines = overviewLines({
    view,
    git: gitUrl(app.session.server, view.name),
    usage: tab.usage.data,
    nowMs: Date.now(),
    width: app.size.columns - 4,
  });
  return (
    <Box flexDirection="column">
      <Text bold color={colourOf(view.name)}>{`  ${view.name}`}</Text>
      <Lines lines={lines.map((line) => ` ${line}`).slice(0, app.bodyRows - 1)} />
    </Box>
  );
}
