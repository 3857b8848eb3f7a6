import { Box } from 'ink';
import { FormView } from '../../frame/FormView.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import type { InvokeTab } from './invoke-tab.ts';

export function InvokeView({ screen }: ScreenProps<InvokeTab>) {
  return (
    <Box flexDirection="column">
      <FormView form={screen.form} active={screen.editing} />
      <Box height={1}>
        <Text bold wrap="truncate">
          {screen.summary === null ? '' : `   → ${screen.summary}`}
        </Text>
        {screen.summary === null ? <Text dimColor>{'   Enter sends, e changes the request'}</Text> : null}
      </Box>
      <Lines lines={screen.scroll.window} />
    </Box>
  );
}
