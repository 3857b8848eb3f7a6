import { Box } from 'ink';
import { footerItems } from './bindings.ts';
import { Text } from './Text.tsx';
import { useApp } from './use-app.ts';

/** Draws the keys that are valid now. */
export function Footer() {
  const app = useApp();
  const items = footerItems(app.bindings(), app.size.columns - 2);
  return (
    <Box height={1}>
      <Text wrap="truncate">
        {' '}
        {items.map(({ key, label }) => (
          <Text key={`${key} ${label}`}>
            <Text bold>{key}</Text>
            <Text dimColor>{` ${label}   `}</Text>
          </Text>
        ))}
      </Text>
    </Box>
  );
}
