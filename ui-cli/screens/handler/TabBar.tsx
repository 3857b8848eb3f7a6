import { Box } from 'ink';
import { Text } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import type { TabName } from './tab.ts';
import { tabBar } from './tab-bar.ts';

export function TabBar({ open }: { readonly open: TabName }) {
  const { size } = useApp();
  return (
    <Box flexDirection="column">
      {tabBar(open, size).map((row, i) => (
        <Box key={i} height={1}>
          <Text wrap="truncate">
            {row.map((piece) => (
              <Text key={piece.text} bold={piece.open} inverse={piece.open} dimColor={!piece.open}>
                {piece.text}
              </Text>
            ))}
          </Text>
        </Box>
      ))}
    </Box>
  );
}
