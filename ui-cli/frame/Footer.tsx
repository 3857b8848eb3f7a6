import { Box, Text } from 'ink';
import { footerItems } from './bindings.ts';
import { useApp } from './use-app.ts';

/** The keys that are valid now. */
export function Footer() {
  const app = useApp();
  const items =
    app.task === null ? footerItems(app.bindings(), app.size.columns - 2) : [{ key: 'Esc', label: 'cancel' }];
  return (
    <Box height={1}>
      <Text wrap="truncate">
        {' '}
        {items.map(({ key, label }) => (
          <Text key={key}>
            <Text bold>{key}</Text>
            <Text dimColor>{` ${label}   `}</Text>
          </Text>
        ))}
      </Text>
    </Box>
  );
}
