import { Box, Text, type TextProps } from 'ink';
import { EmptyState } from '../components/EmptyState.tsx';
import { useApp } from '../hooks/use-app.ts';
import { logRowText } from '../model/log-row.ts';
import type { LogTab } from '../model/log-tab.ts';
import { type LogRow, logRows } from '../model/log-view.ts';
import { severityOf } from '../text/log-line.ts';

/** As many rows as there is room for, whatever the log holds; keys are places, so that rows are reused. */
export function LogView({ tab }: { readonly tab: LogTab }) {
  const app = useApp();
  const { columns } = app.size;
  if (tab.buffer.size === 0 && tab.feed.state === 'live') {
    const { name } = tab.handler;
    return (
      <EmptyState
        title="No log lines yet"
        lines={[
          'New lines show here as they are written. Press 7 to call the handler, or:',
          '',
          `  wasmcloud invoke ${name}`,
        ]}
      />
    );
  }
  return (
    <Box flexDirection="column">
      {logRows(tab.buffer, tab.view, tab.rows).map((row, i) => (
        <Box key={i} height={1}>
          <Text wrap="truncate" inverse={row.selected} {...styleOf(row)}>
            {logRowText(row, { width: columns, offset: tab.offset })}
          </Text>
        </Box>
      ))}
    </Box>
  );
}

function styleOf({ entry }: LogRow): Pick<TextProps, 'color' | 'dimColor'> {
  if (entry.kind === 'mark') return { color: 'yellow' };
  const severity = severityOf(entry.line);
  if (severity === 'error') return { color: 'red' };
  if (severity === 'warning') return { color: 'yellow' };
  return entry.line.stream === 'platform' ? { color: 'blue' } : {};
}
