import { Box } from 'ink';
import { formatDuration } from '../text/format.ts';
import { type MessageRow, messageRows } from './layout.ts';
import type { Status } from './screen.ts';
import { Text, type TextProps } from './Text.tsx';
import { Typed } from './Typed.tsx';
import type { Task } from './task.ts';
import type { TextInput } from './text-input.ts';
import { useApp } from './use-app.ts';

const tones: Readonly<Record<MessageRow['tone'], Pick<TextProps, 'color' | 'dimColor'>>> = {
  plain: {},
  dim: { dimColor: true },
  done: { color: 'green' },
  warning: { color: 'yellow' },
  error: { color: 'red' },
};

/** Draws the line above the footer: the running task, the last message, or the screen's status. */
export function MessageLine() {
  const app = useApp();
  const { task } = app;
  const messages = messageRows(app);
  const status = app.screen.status();
  const quiet = messages.length === 0 && task === null;
  return (
    <Box flexDirection="column">
      {messages.map((row, i) => (
        <Row key={i} text={row.text} tone={row.tone} />
      ))}
      {task === null ? null : <Row text={taskText(task)} tone="plain" />}
      {status.input !== undefined ? <FilterRow input={status.input} text={status.text} /> : null}
      {quiet && status.input === undefined ? <Row text={status.text} tone={toneOf(status)} /> : null}
    </Box>
  );
}

function FilterRow({ input, text }: { readonly input: TextInput; readonly text: string }) {
  const { columns } = useApp().size;
  return (
    <Box height={1}>
      <Text> /</Text>
      <Typed input={input} focused width={Math.floor(columns / 2)} />
      <Text dimColor wrap="truncate">{`   ${text}`}</Text>
    </Box>
  );
}

function toneOf({ tone }: Status): MessageRow['tone'] {
  return tone === undefined || tone === 'plain' ? 'dim' : tone;
}

function taskText({ step, startedMs, isInTheWay }: Task): string {
  const elapsed = formatDuration(Math.floor((Date.now() - startedMs) / 100) * 100);
  return `… ${step}, ${elapsed}${isInTheWay ? '   one thing at a time: Esc cancels it' : ''}`;
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
