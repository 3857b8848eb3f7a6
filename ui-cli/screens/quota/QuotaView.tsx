import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import type { QuotaScreen } from './quota-screen.ts';

export function QuotaView({ screen }: ScreenProps<QuotaScreen>) {
  return <Lines lines={screen.scroll.window.map((line) => ` ${line}`)} />;
}
