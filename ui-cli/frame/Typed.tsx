import { visible } from '../text/visible.ts';
import { cells, skip } from '../text/width.ts';
import { Text } from './Text.tsx';
import type { TextInput } from './text-input.ts';
import { useApp } from './use-app.ts';

interface TypedProps {
  readonly input: TextInput;
  readonly focused: boolean;
  /** Width in cells; of a longer text, the part around the cursor is shown. */
  readonly width: number;
}

/** Draws a line of text input. The cursor is an inverse cell, or a bar without colours. */
export function Typed({ input, focused, width: room }: TypedProps) {
  const { noColour } = useApp().options;
  const lines = input.lineCount === 1 ? '' : `  (${input.lineCount} lines)`;
  const width = room - lines.length;
  const before = visible(input.shown.before);
  const after = visible(input.shown.after);
  if (before === '' && after === '' && input.placeholder !== '') {
    return (
      <Text wrap="truncate">
        {focused ? <Text inverse>{noColour ? '|' : ' '}</Text> : ''}
        <Text dimColor>{`(${input.placeholder})`}</Text>
      </Text>
    );
  }
  if (!focused) return <Text wrap="truncate">{before + after + lines}</Text>;
  const shown = skip(before, Math.max(0, cells(before) - (width - 2)));
  const [under = ' ', ...rest] = after;
  return (
    <Text wrap="truncate">
      {shown}
      {noColour ? '|' : <Text inverse>{under}</Text>}
      {noColour ? after : rest.join('')}
      {lines === '' ? null : <Text dimColor>{lines}</Text>}
    </Text>
  );
}
