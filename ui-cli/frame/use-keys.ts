import { useInput, usePaste } from 'ink';
import type { App } from './app.ts';
import { toKeyPresses } from './keys.ts';

/** Takes the keys of the terminal: the one place where keys come in. */
export function useKeys(app: App): void {
  useInput((input, key) => {
    for (const press of toKeyPresses(input, key)) app.press(press);
  });
  usePaste((text) => app.paste(text));
}
