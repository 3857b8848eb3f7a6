import { useInput, usePaste } from 'ink';
import type { App } from './app.ts';
import { toKeyPresses } from './keys.ts';

/** Passes the terminal's keys to the app; no other component reads keys. */
export function useKeys(app: App): void {
  useInput((input, key) => {
    for (const press of toKeyPresses(input, key)) app.press(press);
  });
  usePaste((text) => app.paste(text));
}
