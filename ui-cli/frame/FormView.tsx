import { Box } from 'ink';
import { fit } from '../text/width.ts';
import type { Form } from './form.ts';
import { Text } from './Text.tsx';
import { Typed } from './Typed.tsx';
import { useApp } from './use-app.ts';

/** Draws one row per field and marks the focused one. */
export function FormView({ form, active }: { readonly form: Form; readonly active: boolean }) {
  const { columns } = useApp().size;
  const labels = Math.max(...form.fields.map(({ label }) => label.length));
  return (
    <Box flexDirection="column">
      {form.fields.map(({ label, input }, i) => {
        const focused = active && i === form.focused;
        return (
          <Box key={label} height={1}>
            <Text bold={focused} wrap="truncate">
              {focused ? ' › ' : '   '}
              {fit(label, labels)}
              {'  '}
            </Text>
            <Typed input={input} focused={focused} width={columns - labels - 6} />
          </Box>
        );
      })}
    </Box>
  );
}
