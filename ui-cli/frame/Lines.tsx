import { Box } from 'ink';
import { Text } from './Text.tsx';

/** Draws prepared lines of text, one row each. */
export function Lines({ lines, dim = false }: { readonly lines: readonly string[]; readonly dim?: boolean }) {
  return (
    <Box flexDirection="column">
      {lines.map((line, i) => (
        <Box key={i} height={1}>
          <Text wrap="truncate" dimColor={dim}>
            {` ${line}`}
          </Text>
        </Box>
      ))}
    </Box>
  );
}
