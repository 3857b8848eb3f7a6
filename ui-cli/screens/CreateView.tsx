import { Box, Text } from 'ink';
import { FormView } from '../components/FormView.tsx';
import { useApp } from '../hooks/use-app.ts';
import type { CreateScreen } from '../model/create-screen.ts';

export function CreateView({ screen }: { readonly screen: CreateScreen }) {
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
          {line}
        </Text>
      ))}
    </Box>
  );
}
