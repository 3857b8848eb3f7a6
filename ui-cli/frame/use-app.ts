import { createContext, useContext, useSyncExternalStore } from 'react';
import type { App } from './app.ts';

export const AppContext = createContext<App | null>(null);

/** Returns the app, and draws the component again when the app changes. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error('useApp outside of the app');
  useSyncExternalStore(app.subscribe, app.version);
  return app;
}
