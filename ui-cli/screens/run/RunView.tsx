import { Box } from 'ink';
import { FormView } from '../../frame/FormView.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import type { RunScreen } from './run-screen.ts';

export function RunView({ screen }: ScreenProps<RunScreen>) {
  return (
    <Box flexDirection="column">
      <FormView form={screen.form} active={screen.editing} />
      <Text dimColor>{'   Runs here, with the kernel and limits of the platform.'}</Text>
      <Text bold>{screen.summary === null ? ' ' : `   → ${screen.summary}`}</Text>
      <Lines lines={screen.scroll.window} />
    </Box>
  );
}
