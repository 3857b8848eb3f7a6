import { Lines } from '../../frame/Lines.tsx';
import type { ScreenProps } from '../../frame/page.ts';
import { useApp } from '../../frame/use-app.ts';
import { cut } from '../../text/width.ts';
import type { MessageScreen } from './message-screen.ts';

export function MessageView({ screen }: ScreenProps<MessageScreen>) {
  // A line may be 1 MiB long: it is cut before it is measured.
  const width = useApp().size.columns - 2;
  return <Lines lines={screen.scroll.window.map((line) => cut(line, width))} />;
}
