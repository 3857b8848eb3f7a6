import { EmptyState } from '../../frame/EmptyState.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { Table } from '../../frame/Table.tsx';
import { mayDo } from '../handler/tab.ts';
import type { ProfileTab } from './profile-tab.ts';

const columns = [{ title: 'TOTAL', align: 'right' }, { title: 'OWN', align: 'right' }, { title: 'FUNCTION' }] as const;

export function ProfileView({ screen }: ScreenProps<ProfileTab>) {
  const { profile } = screen;
  if (!mayDo(screen.handler, 'takeProfile'))
    return <EmptyState title="No profile" lines={['A deployer can take one.']} />;
  if (profile === null) {
    return (
      <EmptyState
        title="No profile yet"
        lines={[
          'Press p to watch the calls of the next seconds: which functions use the gas?',
          'As a flame graph:',
          '',
          `  wasmcloud profile ${screen.handler.name} --output profile.svg`,
        ]}
      />
    );
  }
  if (screen.list.all.length === 0) {
    return (
      <EmptyState
        title={profile.calls === 0 ? 'No calls while it was watched' : 'The calls used too little gas for a stack'}
        lines={['Press p to watch again, and call it meanwhile:', '', `  wasmcloud invoke ${screen.handler.name}`]}
      />
    );
  }
  const rows = screen.list.window.map(({ item, selected }) => {
    const mark = item.hasCalls ? (item.isFolded ? '+ ' : '- ') : '  ';
    return {
      key: item.key,
      selected,
      cells: [item.total, item.own, `${'  '.repeat(Math.min(item.depth, 30))}${mark}${item.name}`],
    };
  });
  return <Table columns={columns} rows={rows} />;
}
