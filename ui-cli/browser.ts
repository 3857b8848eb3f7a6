/** Opens a URL in the browser of the person at this machine. */
import { spawn } from 'node:child_process';
import process from 'node:process';

/** Words of the command that opens a URL: `browser` if it is set (BROWSER), else the desktop's own opener. */
export function openerWords(browser: string | null, platform: NodeJS.Platform): readonly string[] {
  if (browser !== null) return [browser];
  if (platform === 'darwin') return ['open'];
  return platform === 'win32' ? ['explorer.exe'] : ['xdg-open'];
}

/** Resolves to false where no opener could be started. What the browser does afterwards is not waited for. */
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
