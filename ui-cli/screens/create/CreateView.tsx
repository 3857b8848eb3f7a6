import { Box } from 'ink';
import { FormView } from '../../frame/FormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import type { CreateScreen } from './create-screen.ts';

export function CreateView({ screen }: ScreenProps<CreateScreen>) {
  const app = useApp();
  const { created, problem } = screen;
  if (created === null) {
    return (
      <Box flexDirection="column" paddingTop={1}>
        <Text bold>{'   A new handler'}</Text>
        <Text> </Text>
        <FormView form={screen.form} active />
        <Text> </Text>
        <Text wrap="truncate" {...(problem === null ? { dimColor: true } : { color: 'yellow' })}>
          {`   ${problem ?? 'The name is its address: lower case, unique, for ever.'}`}
        </Text>
        <Text
          dimColor
          wrap="truncate"
        >{`   In a git repository this adds the remote wasmcloud (${app.options.folder}).`}</Text>
      </Box>
    );
  }
  return (
    <Box flexDirection="column" paddingTop={1} paddingLeft={3}>
      <Text bold>{`${created.handler.name} is there`}</Text>
      <Text> </Text>
      <Text wrap="truncate">{`url  ${created.handler.url}`}</Text>
      <Text wrap="truncate">{`git  ${created.git}`}</Text>
      <Text> </Text>
      {created.lines.map((line) => (
        <Text key={line} wrap="truncate">
          {app.typable(line)}
        </Text>
      ))}
    </Box>
  );
}
