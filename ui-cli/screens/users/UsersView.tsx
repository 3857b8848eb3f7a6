import { AskedFormView } from '../../frame/AskedFormView.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { accountCells } from '../../text/access.ts';
import type { UsersScreen } from './users-screen.ts';

const columns = [
  { title: 'USER', shrinkTo: 12 },
  { title: 'STATE' },
  { title: 'HANDLERS', align: 'right' },
  { title: 'STORED', align: 'right' },
  { title: 'CALLS', dropAt: 3 },
  { title: 'CODE', dropAt: 2 },
  { title: 'CREATED', dropAt: 1 },
] as const;

export function UsersView({ screen }: ScreenProps<UsersScreen>) {
  const nowMs = Date.now();
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const rows = screen.list.window.map(({ item, selected }) => ({
    key: item.name,
    selected,
    cells: accountCells(item, nowMs),
    styles: [undefined, item.suspendedMs === null ? undefined : ({ color: 'red' } as const)],
  }));
  return <Table columns={columns} rows={rows} />;
}
