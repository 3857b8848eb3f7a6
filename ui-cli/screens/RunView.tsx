import { Box, Text } from 'ink';
import { FormView } from '../components/FormView.tsx';
import { Lines } from '../components/Lines.tsx';
import type { RunScreen } from '../model/run-screen.ts';

export function RunView({ screen }: { readonly screen: RunScreen }) {
  return (
    <Box flexDirection="column">
      <FormView form={screen.form} active={screen.editing} />
      <Text dimColor>{'   Runs here, with the kernel and limits of the platform.'}</Text>
      <Text bold>{screen.summary === null ? ' ' : `   → ${screen.summary}`}</Text>
      <Lines lines={screen.scroll.window} />
    </Box>
  );
}
