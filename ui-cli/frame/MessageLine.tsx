import { Box, Text, type TextProps } from 'ink';
import { formatDuration } from '../text/format.ts';
import { type MessageRow, messageRows } from './layout.ts';
import { Typed } from './Typed.tsx';
import { useApp } from './use-app.ts';

const tones: Readonly<Record<MessageRow['tone'], Pick<TextProps, 'color' | 'dimColor'>>> = {
  plain: {},
  dim: { dimColor: true },
  done: { color: 'green' },
  warning: { color: 'yellow' },
  error: { color: 'red' },
};

/** Above the footer: what is being done, what was said, or how things stand. */
export function MessageLine() {
  const app = useApp();
  const { task } = app;
  if (task !== null) {
    const seconds = Math.floor((Date.now() - task.startedMs) / 100) * 100;
    return <Row text={`… ${task.step}, ${formatDuration(seconds)}`} tone="plain" />;
  }
  const rows = messageRows(app);
  if (rows.length > 0) {
    return (
      <Box flexDirection="column">
        {rows.map((row, i) => (
          <Row key={i} text={row.text} tone={row.tone} />
        ))}
      </Box>
    );
  }
  const status = app.screen.status();
  if (status.input !== undefined) {
    return (
      <Box height={1}>
        <Text> /</Text>
        <Typed input={status.input} focused width={Math.floor(app.size.columns / 2)} />
        <Text dimColor wrap="truncate">{`   ${status.text}`}</Text>
      </Box>
    );
  }
  return <Row text={status.text} tone={status.tone === undefined || status.tone === 'plain' ? 'dim' : status.tone} />;
}

function Row({ text, tone }: MessageRow) {
  return (
    <Box height={1}>
      <Text wrap="truncate" {...tones[tone]}>
        {` ${text}`}
      </Text>
    </Box>
  );
}
