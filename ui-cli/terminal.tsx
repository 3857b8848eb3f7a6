/** Opens the terminal interface: joins the app, Ink and the terminal, and restores the terminal at the end. */
import process from 'node:process';
import { setImmediate } from 'node:timers/promises';
import { render } from 'ink';
import { PlatformError } from '../src/protocol/errors.ts';
import { openInBrowser } from './browser.ts';
import type { Context } from './context.ts';
import { AppView } from './frame/AppView.tsx';
import { App } from './frame/app.ts';
import { forgetLogin, saveLogin } from './login.ts';
import { isTabName, tabNames } from './screens/handler/tab.ts';
import { startScreens } from './screens/start-screens.ts';
import { isSingleFile } from './single-file.ts';

/**
 * Opens the interface. `path`: a handler and a tab, both optional. Resolves to the exit status when the user leaves.
 * Rejects with `bad_request` for an unknown tab.
 */
export async function openTerminalInterface(context: Context, path: readonly string[]): Promise<number> {
  const [handler, tab] = path;
  if (tab !== undefined && !isTabName(tab)) {
    throw new PlatformError('bad_request', `there is no tab ${tab}`, { hints: [`tabs: ${tabNames.join(', ')}`] });
  }
  const session = await context.session();
  const { stdout } = process;
  const app = new App({
    session,
    size: { columns: stdout.columns, rows: stdout.rows },
    noColour: context.environment.noColor,
    launcher: context.environment.launcher,
    runCommand: isSingleFile ? [process.execPath] : [process.execPath, process.argv[1] ?? context.environment.launcher],
    command: context.environment.command,
    browse: (url) => void browse(app, url, context.environment.browser),
    stop: stopProcess,
    folder: process.cwd(),
    saveLogin: (server, account) => saveLogin(context, server, account),
    forgetLogin: () => forgetLogin(context, session.server).then(() => undefined),
    copy: (text) => void stdout.write(clipboardSequence(text)),
    exit: () => instance.unmount(),
  });
  // Opens the screens before Ink draws, so that the first frame is the first screen.
  startScreens(app, { ...(handler === undefined ? {} : { handler }), ...(tab === undefined ? {} : { tab }) });
  const instance = render(<AppView app={app} />, {
    alternateScreen: true,
    incrementalRendering: true,
    // Above the log's rate of one notification per 66 ms, or every second one would wait for a frame.
    maxFps: 30,
    exitOnCtrlC: false,
    patchConsole: false,
    interactive: true,
  });
  // In raw mode Ctrl-C is a key, so this signal comes from another process.
  context.onInterrupt = () => instance.unmount();
  // After an unexpected error the terminal is restored first, then program.ts prints the error.
  const crash = Promise.withResolvers<never>();
  const crashed = (error: unknown) => crash.reject(error);
  process.on('uncaughtException', crashed).on('unhandledRejection', crashed);
  try {
    await Promise.race([instance.waitUntilExit(), crash.promise]);
  } finally {
    app.stop();
    instance.unmount();
    await instance.waitUntilExit();
    process.off('uncaughtException', crashed).off('unhandledRejection', crashed);
  }
  return 0;
}

/** Opens a URL and shows it, so that it can be read where there is no browser, as over ssh. */
async function browse(app: App, url: string, browser: string | null): Promise<void> {
  if (await openInBrowser(url, browser)) app.say('done', `opened ${url}`);
  else app.say('error', `no browser could be started for ${url}`, 'hint: y copies the URL');
}

/** Stops the whole job, including the launcher, as the terminal would; `fg` in the shell continues it. */
async function stopProcess(): Promise<void> {
  process.kill(0, 'SIGTSTP');
  await setImmediate();
  // The terminal may have another size now, and a stopped process gets no signal about it.
  process.emit('SIGWINCH', 'SIGWINCH');
}

/** Returns the OSC 52 sequence: the terminal puts the text into its clipboard, over ssh too. */
export function clipboardSequence(text: string): string {
  return `\u001b]52;c;${Buffer.from(text).toString('base64')}\u0007`;
}
