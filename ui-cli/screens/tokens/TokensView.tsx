import { Box } from 'ink';
import { AskedFormView } from '../../frame/AskedFormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { Text } from '../../frame/Text.tsx';
import { tokenCells } from '../../text/access.ts';
import { visible } from '../../text/visible.ts';
import type { TokensScreen } from './tokens-screen.ts';

const columns = [
  { title: 'ID', dropAt: 4 },
  { title: 'LABEL', shrinkTo: 10 },
  { title: 'SCOPE' },
  { title: 'HANDLER', shrinkTo: 10 },
  { title: 'CREATED', dropAt: 2 },
  { title: 'LAST USED' },
  { title: 'ENDS', dropAt: 1 },
] as const;

export function TokensView({ screen }: ScreenProps<TokensScreen>) {
  const nowMs = Date.now();
  const { made } = screen;
  const { open } = screen.slot;
  if (made !== null) {
    return (
      <Box flexDirection="column" paddingTop={1} paddingLeft={3}>
        <Text bold>The token, which is shown only now</Text>
        <Text> </Text>
        <Text>{visible(made)}</Text>
        <Text> </Text>
        <Text dimColor>Give it to a job as WASMCLOUD_TOKEN; y copies it, Esc hides it.</Text>
      </Box>
    );
  }
  if (open !== null) return <AskedFormView open={open} />;
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.id,
    selected,
    cells: tokenCells(item, nowMs),
  }));
  return <Table columns={columns} rows={rows} />;
}
