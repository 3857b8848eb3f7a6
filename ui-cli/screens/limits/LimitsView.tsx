import { AskedFormView } from '../../frame/AskedFormView.tsx';
import { EmptyState } from '../../frame/EmptyState.tsx';
import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import type { LimitsTab } from './limits-tab.ts';

export function LimitsView({ screen }: ScreenProps<LimitsTab>) {
  const { open } = screen.slot;
  if (open !== null) return <AskedFormView open={open} />;
  const { lines } = screen;
  if (lines !== null) return <Lines lines={lines} />;
  if (screen.loader.loadedMs === null) return null;
  return (
    <EmptyState title="Nothing is live" lines={['Limits belong to a deployment:', '', '  git push wasmcloud main']} />
  );
}
