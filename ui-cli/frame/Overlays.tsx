import { Box } from 'ink';
import { plural } from '../text/format.ts';
import { cells, cut, fit, wrap } from '../text/width.ts';
import { helpRows } from './bindings.ts';
import type { ConfirmOverlay, HelpOverlay, JumpOverlay } from './overlay.ts';
import { Text } from './Text.tsx';
import { Typed } from './Typed.tsx';
import { useApp } from './use-app.ts';

/** Draws the keys of the screen below, made from its table of bindings. */
export function Help({ help, rows }: { readonly help: HelpOverlay; readonly rows: number }) {
  const app = useApp();
  const all = helpRows(app.screenBindings());
  const keys = Math.min(28, Math.max(...all.map(([key]) => cells(key))));
  const shown = all.slice(help.top, help.top + rows - 2);
  return (
    <Box flexDirection="column" paddingLeft={1}>
      <Text bold>
        {all.length > shown.length ? `Keys here (${shown.length} of ${all.length}, ↓ for more)` : 'Keys here'}
      </Text>
      <Text> </Text>
      {shown.map(([key, text]) => (
        <Text key={`${key} ${text}`} wrap="truncate">
          <Text bold>{fit(key, keys)}</Text> {text}
        </Text>
      ))}
    </Box>
  );
}

/** Draws the jump line and the matching places. */
export function JumpList({ jump, rows }: { readonly jump: JumpOverlay; readonly rows: number }) {
  const { size } = useApp();
  const { matches } = jump;
  const { selected } = jump;
  const top = Math.max(0, selected - (rows - 4));
  const shown = matches.slice(top, top + rows - 3);
  const names = Math.max(0, ...shown.map(({ name }) => cells(name)));
  return (
    <Box flexDirection="column" paddingLeft={1}>
      <Box height={1}>
        <Text bold>: </Text>
        <Typed input={jump.input} focused width={size.columns - 4} />
      </Box>
      <Text dimColor>{`${plural(matches.length, 'place')}   Tab completes, Enter goes there, Esc closes`}</Text>
      {shown.map((match, i) => (
        <Text key={match.name} wrap="truncate" inverse={top + i === selected}>
          {top + i === selected ? '› ' : '  '}
          {fit(match.name, Math.min(names, 50))} {match.help}
        </Text>
      ))}
      {matches.length === 0 ? <Text> no screen or handler is called that</Text> : null}
    </Box>
  );
}

/** Draws a question and the change that it is about. */
export function Confirm({ overlay }: { readonly overlay: ConfirmOverlay }) {
  const { size } = useApp();
  const width = Math.min(size.columns - 6, 90);
  return (
    <Box flexDirection="column" borderStyle="round" paddingX={1} marginX={2} marginTop={1} alignSelf="flex-start">
      <Text bold>{overlay.title}</Text>
      <Text> </Text>
      {overlay.lines
        .flatMap((line) => wrap(line, width))
        .map((line) => (
          <Text key={line}>{cut(line, width)}</Text>
        ))}
      <Text> </Text>
      <Text>
        <Text bold>y</Text>
        {` ${overlay.verb}    `}
        <Text bold>n</Text>
        {' no'}
      </Text>
    </Box>
  );
}
