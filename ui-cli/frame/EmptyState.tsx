import { Box, Text } from 'ink';

/** Nothing here yet: what to do about it, ready to copy. */
export function EmptyState({ title, lines }: { readonly title: string; readonly lines: readonly string[] }) {
  return (
    <Box flexDirection="column" paddingLeft={3} paddingTop={1}>
      <Text bold>{title}</Text>
      <Text> </Text>
      {lines.map((line) => (
        <Text key={line} wrap="truncate">
          {line === '' ? ' ' : line}
        </Text>
      ))}
    </Box>
  );
}
