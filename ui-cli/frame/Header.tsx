import { Box } from 'ink';
import { headerParts } from './layout.ts';
import { Text } from './Text.tsx';
import { useApp } from './use-app.ts';

/** Draws the current place, the user, and whether the server answers. */
export function Header() {
  const app = useApp();
  const { crumbs, right } = headerParts(app);
  return (
    <Box height={1} justifyContent="space-between">
      <Text wrap="truncate">
        {' '}
        {crumbs.map((crumb, i) => (
          <Text key={i} bold={i === crumbs.length - 1} dimColor={i < crumbs.length - 1}>
            {i === 0 ? '' : ' › '}
            {crumb}
          </Text>
        ))}
      </Text>
      <Box flexShrink={0}>
        <Text color={app.connection === 'offline' ? 'red' : 'green'}>{right} </Text>
      </Box>
    </Box>
  );
}
