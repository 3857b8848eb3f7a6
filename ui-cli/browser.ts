/** Opens a URL in the browser on the user's machine. */
import { spawn } from 'node:child_process';
import process from 'node:process';

/**
 * Returns the words of the command that opens a URL: `browser` if set (variable BROWSER), else the desktop's own
 * opener.
 */
export function openerWords(browser: string | null, platform: NodeJS.Platform): readonly string[] {
  if (browser !== null) return [browser];
  if (platform === 'darwin') return ['open'];
  return platform === 'win32' ? ['explorer.exe'] : ['xdg-open'];
}

/** Starts the opener; resolves to false when none could be started. Does not wait for the browser. */
export function openInBrowser(url: string, browser: string | null): Promise<boolean> {
  const [program = '', ...words] = openerWords(browser, process.platform);
  return new Promise((resolve) => {
    const child = spawn(program, [...words, url], { stdio: 'ignore', detached: true });
    child.on('error', () => resolve(false));
    child.on('spawn', () => {
      child.unref();
      resolve(true);
    });
  });
}
