import { useWindowSize } from 'ink';
import { useLayoutEffect } from 'react';
import type { App } from './app.ts';

/** Tells the app about the terminal's size. */
export function useSize(app: App): void {
  const { columns, rows } = useWindowSize();
  useLayoutEffect(() => {
    if (columns !== app.size.columns || rows !== app.size.rows) app.resize({ columns, rows });
  }, [app, columns, rows]);
}
