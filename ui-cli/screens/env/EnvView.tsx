import { Box } from 'ink';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { FormView } from '../../frame/FormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { Text } from '../../frame/Text.tsx';
import { formatAgo } from '../../text/format.ts';
import { maskedValue } from '../../text/variable.ts';
import { visible } from '../../text/visible.ts';
import { mayDo } from '../handler/tab.ts';
import type { EnvTab } from './env-tab.ts';

export function EnvView({ screen }: ScreenProps<EnvTab>) {
  const nowMs = Date.now();
  if (screen.form !== null) {
    return (
      <Box flexDirection="column" paddingTop={1}>
        <Text bold>{'   Set a variable'}</Text>
        <Text> </Text>
        <FormView form={screen.form} active />
        <Text> </Text>
        <Text dimColor>{'   It is encrypted at the server and never shown in full again.'}</Text>
      </Box>
    );
  }
  if (screen.isEmpty) {
    const { name } = screen.handler;
    return (
      <EmptyState
        title={screen.preview === null ? 'No variables' : 'No variables of its own: those of the handler hold'}
        lines={
          mayDo(screen.handler, 'setVariable')
            ? ['Press a to add one, or:', '', `  wasmcloud env ${name}${screen.branchOption} set API_KEY`]
            : ['A deployer can set some.']
        }
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => {
    const typed = screen.typed.get(item.key);
    const value = typed !== undefined && screen.revealed && selected ? visible(typed) : maskedValue(item);
    const note = typed === undefined ? '' : screen.revealed && selected ? 'v hides' : 'typed just now, v reveals';
    return { key: item.key, selected, cells: [visible(item.key), value, formatAgo(item.updatedMs, nowMs), note] };
  });
  const columns = [
    { title: 'KEY', shrinkTo: 12 },
    { title: 'VALUE', shrinkTo: 12 },
    { title: 'CHANGED' },
    { title: '', dropAt: 1 },
  ];
  return <Table columns={columns} rows={rows} />;
}
