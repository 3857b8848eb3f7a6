import { Box } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import { gitUrl } from '../../git-remote.ts';
import { colourOf } from '../../text/colour.ts';
import { overviewLines } from './overview-lines.ts';
import type { OverviewTab } from './overview-tab.ts';

export function OverviewView({ screen }: ScreenProps<OverviewTab>) {
  const app = useApp();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const view = screen.handler.handler.data;
  if (view === null) return <Text dimColor>{'   loading …'}</Text>;
  const lines = overviewLines({
    view,
    git: gitUrl(app.session.server, view.name),
    usage: screen.usage.data,
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
