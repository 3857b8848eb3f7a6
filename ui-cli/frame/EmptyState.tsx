import { Box } from 'ink';
import { Text } from './Text.tsx';
import { useApp } from './use-app.ts';

/** Draws the text of an empty list: commands to fill it, ready to copy. */
export function EmptyState({ title, lines }: { readonly title: string; readonly lines: readonly string[] }) {
  const app = useApp();
  return (
    <Box flexDirection="column" paddingLeft={3} paddingTop={1}>
      <Text bold>{title}</Text>
      <Text> </Text>
      {lines.map((line, i) => (
        <Text key={i} wrap="truncate">
          {line === '' ? ' ' : app.typable(line)}
        </Text>
      ))}
    </Box>
  );
}
