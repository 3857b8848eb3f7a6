import { Box } from 'ink';
import type { PlatformError } from '../../src/protocol/errors.ts';
import { errorLines } from '../text/error-lines.ts';
import { wrap } from '../text/width.ts';
import { Text } from './Text.tsx';
import { useApp } from './use-app.ts';

/** Draws a load error in place of the data: what failed, why, what to do. Loading is repeated meanwhile. */
export function Failure({ error }: { readonly error: PlatformError }) {
  const app = useApp();
  const { size } = app;
  const lines = errorLines(error).flatMap((line) => wrap(app.typable(line), size.columns - 6));
  return (
    <Box flexDirection="column" paddingLeft={3} paddingTop={1}>
      {lines.map((line, i) => (
        <Text key={line} {...(i === 0 ? { color: 'red', bold: true } : {})}>
          {line}
        </Text>
      ))}
      <Text> </Text>
      <Text dimColor>It is tried again by itself; r does it now.</Text>
    </Box>
  );
}
