import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { mayDo } from '../handler/tab.ts';
import type { ReleaseTab } from './release-tab.ts';

export function ReleaseView({ screen }: ScreenProps<ReleaseTab>) {
  const { data } = screen.loader;
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  if (data === null) return null;
  if (data.rollout !== null) return <Lines lines={screen.scroll.window.map((line) => ` ${line}`)} />;
  const { name } = screen.handler;
  const [newest] = data.candidates;
  if (newest === undefined) {
    return (
      <EmptyState
        title="No gradual release"
        lines={[
          'There is no second version yet that could get a share of the calls. A push begins',
          'with a share when wasmcloud.toml has:',
          '',
          '  [release]',
          '  percent = 10',
        ]}
      />
    );
  }
  return (
    <EmptyState
      title="No gradual release: all calls go to the live version"
      lines={
        mayDo(screen.handler, 'putRollout')
          ? [
              'Press s to give another version a share of them, or:',
              '',
              `  wasmcloud release ${name} v${newest.number} --percent 10`,
            ]
          : ['A deployer can give another version a share of them.']
      }
    />
  );
}
