import { createContext, useContext, useSyncExternalStore } from 'react';
import type { App } from './app.ts';

export const AppContext = createContext<App | null>(null);

/** Returns the app; the component is drawn again when anything in it changes. */
export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error('useApp outside of the app');
  useSyncExternalStore(app.subscribe, app.version);
  return app;
}
