import { Box, Text } from 'ink';
import { type TabName, tabNames } from '../model/handler-screen.ts';

/** The tabs of a handler with their keys; the open one stands in brackets. */
export function Tabs({ open }: { readonly open: TabName }) {
  return (
    <Box height={1}>
      <Text wrap="truncate">
        {tabNames.map((tab, i) =>
          tab === open ? (
            <Text key={tab} bold inverse>
              {`[${i + 1} ${tab}]`}
            </Text>
          ) : (
            <Text key={tab} dimColor>
              {` ${i + 1} ${tab} `}
            </Text>
          ),
        )}
      </Text>
    </Box>
  );
}
