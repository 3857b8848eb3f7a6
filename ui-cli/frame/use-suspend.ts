import { useApp as useInk } from 'ink';
import { useLayoutEffect } from 'react';
import type { App } from './app.ts';

/** Lets the app return the terminal to the shell: Ink restores the terminal, the process stops, Ink draws again. */
export function useSuspend(app: App): void {
  const { suspendTerminal } = useInk();
  useLayoutEffect(() => {
    app.suspend = () => void suspendTerminal(() => app.options.stop());
  }, [app, suspendTerminal]);
}
