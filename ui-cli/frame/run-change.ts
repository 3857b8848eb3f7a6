/** Runs a change that the user has asked a screen for. */
import { errorLines } from '../text/error-lines.ts';
import type { App } from './app.ts';

/**
 * Runs `work` as the app's long action `step`, says what it returns, and then calls `changed`. A failure is shown, and
 * `changed` is not called.
 */
export async function runChange(
  app: App,
  step: string,
  work: (signal: AbortSignal) => Promise<string>,
  changed: () => void = () => {},
): Promise<void> {
  await app.run(
    step,
    async ({ abort: { signal } }) => {
      app.say('done', await work(signal));
      changed();
    },
    errorLines,
  );
}
