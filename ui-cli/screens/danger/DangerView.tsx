import { Box, Text } from 'ink';
import { FormView } from '../../frame/FormView.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import type { DangerTab } from './danger-tab.ts';

export function DangerView({ screen }: ScreenProps<DangerTab>) {
  const { name } = screen.handler;
  const lines = screen.deleted
    ? [`${name} is deleted. R brings it back; after 30 days it is gone for good.`]
    : [
        `Deleting ${name} stops it at once. Its repository, deployments, log and`,
        'variables are kept for 30 days, in which it can be restored.',
        '',
        screen.form === null ? 'Press D to delete it.' : 'Type its name to delete it:',
      ];
  return (
    <Box flexDirection="column" paddingTop={1}>
      <Text bold color="red">
        {'   Danger zone'}
      </Text>
      <Text> </Text>
      <Lines lines={lines.map((line) => `  ${line}`)} />
      <Text> </Text>
      {screen.form === null ? null : <FormView form={screen.form} active />}
    </Box>
  );
}
