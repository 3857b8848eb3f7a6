import { Box } from 'ink';
import { cut, wrap } from '../text/width.ts';
import { FormView } from './FormView.tsx';
import type { OpenForm } from './form-slot.ts';
import { Text } from './Text.tsx';
import { useApp } from './use-app.ts';

/** Draws an open form below its title. */
export function AskedFormView({ open }: { readonly open: OpenForm }) {
  const app = useApp();
  const width = app.size.columns - 6;
  const notes = open.notes.flatMap((note) => wrap(app.typable(note), width));
  return (
    <Box flexDirection="column" paddingTop={1}>
      <Text bold wrap="truncate">{`   ${cut(open.title, width)}`}</Text>
      <Text> </Text>
      <FormView form={open.form} active />
      <Text> </Text>
      {notes.map((note, i) => (
        <Text key={i} dimColor wrap="truncate">
          {`   ${note}`}
        </Text>
      ))}
    </Box>
  );
}
