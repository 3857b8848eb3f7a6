import { Box } from 'ink';
import type { ScreenProps } from '../../frame/page.ts';
import type { HandlerScreen } from './handler-screen.ts';
import { TabBar } from './TabBar.tsx';

export function HandlerView({ screen }: ScreenProps<HandlerScreen>) {
  return (
    <Box flexDirection="column">
      <TabBar open={screen.tabName} />
      {screen.tabPage.draw()}
    </Box>
  );
}
