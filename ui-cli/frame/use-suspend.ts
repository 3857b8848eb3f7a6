import { useApp as useInk } from 'ink';
import { useLayoutEffect } from 'react';
import type { App } from './app.ts';

/** Lets the app give the terminal back to the shell: Ink puts it in order, the process stops, Ink draws anew. */
export function useSuspend(app: App): void {
  const { suspendTerminal } = useInk();
  useLayoutEffect(() => {
    app.suspend = () => void suspendTerminal(() => app.options.stop());
  }, [app, suspendTerminal]);
}
