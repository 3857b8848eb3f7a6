import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Text, type TextProps } from '../../frame/Text.tsx';
import { useApp } from '../../frame/use-app.ts';
import { severityOf } from '../../text/log-line.ts';
import { tabKey } from '../handler/tab.ts';
import { logRowLines, logRowText } from './log-row.ts';
import type { LogTab } from './log-tab.ts';
import { type LogRow, logRows, type ScreenLine, wrappedLines } from './log-window.ts';

/** Draws as many rows as fit, however long the log is. Keys are screen positions, so that rows are reused. */
export function LogView({ screen }: ScreenProps<LogTab>) {
  const app = useApp();
  const { columns } = app.size;
  if (screen.buffer.size === 0 && screen.feed.state === 'live') {
    const { name } = screen.handler;
    if (screen.preview !== null)
      return (
        <EmptyState title="No log lines yet" lines={['New lines of this preview show here as they are written.']} />
      );
    return (
      <EmptyState
        title="No log lines yet"
        lines={[
          `New lines show here as they are written. Press ${tabKey('invoke')} to call the handler, or:`,
          '',
          `  wasmcloud invoke ${name}`,
        ]}
      />
    );
  }
  return (
    <Box flexDirection="column">
      {linesOf(screen, columns).map(({ row, text }, i) => (
        <Box key={i} height={1}>
          <Text wrap="truncate" inverse={row.selected} {...styleOf(row)}>
            {text}
          </Text>
        </Box>
      ))}
    </Box>
  );
}

function linesOf({ buffer, view, rows, offset, wraps }: LogTab, width: number): readonly ScreenLine[] {
  if (wraps) return wrappedLines(buffer, view, { rows, linesOf: (row) => logRowLines(row, { width, most: rows }) });
  return logRows(buffer, view, rows).map((row) => ({ row, text: logRowText(row, { width, offset }) }));
}

function styleOf({ entry }: LogRow): Pick<TextProps, 'color' | 'dimColor'> {
  if (entry.kind === 'mark') return { color: 'yellow' };
  if (entry.kind === 'call') return entry.record.status >= 500 ? { color: 'red' } : { dimColor: true };
  const severity = severityOf(entry.line);
  if (severity === 'error') return { color: 'red' };
  if (severity === 'warning') return { color: 'yellow' };
  return entry.line.stream === 'platform' ? { color: 'blue' } : {};
}
