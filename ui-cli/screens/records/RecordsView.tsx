import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import type { RecordsScreen } from './records-screen.ts';

export function RecordsView({ screen }: ScreenProps<RecordsScreen>) {
  return <Lines lines={screen.scroll.window.map((line) => ` ${line}`)} />;
}
