import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import type { InvocationScreen } from './invocation-screen.ts';

export function InvocationView({ screen }: ScreenProps<InvocationScreen>) {
  return <Lines lines={screen.scroll.window} />;
}
