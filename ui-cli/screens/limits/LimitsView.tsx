import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { useApp } from '../../frame/use-app.ts';
import { limitsLines } from '../../text/deployment.ts';
import type { LimitsTab } from './limits-tab.ts';

export function LimitsView({ screen }: ScreenProps<LimitsTab>) {
  const app = useApp();
  const { data } = screen.loader;
  if (data === null) {
    if (screen.loader.loadedMs === null) return null;
    return (
      <EmptyState title="Nothing is live" lines={['Limits belong to a deployment:', '', '  git push wasmcloud main']} />
    );
  }
  return <Lines lines={limitsLines(data, app.size.columns - 3).slice(0, app.bodyRows)} />;
}
