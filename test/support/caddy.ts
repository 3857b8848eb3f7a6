/** Runs Caddy with the project's Caddyfile and an authority of its own, in front of a platform on this machine. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../src/bin/free-port.ts';
import { temporaryFolder } from './e2e.ts';

const caddyfile = fileURLToPath(new URL('../../deploy/caddy/Caddyfile', import.meta.url));

/** Reason for which tests with Caddy skip; null: Caddy is here. */
export const withoutCaddy: string | null = (() => {
  try {
    execFileSync('caddy', ['version'], { stdio: 'ignore' });
    return null;
  } catch {
    return 'caddy is not installed (apt-get install caddy)';
  }
})();

/** Returns ports that nothing listens on at the moment. */
export async function freePorts(count: number): Promise<readonly number[]> {
  return Promise.all(Array.from({ length: count }, freePort));
}

export interface Caddy {
  /** Certificate of its authority, PEM. */
  readonly ca: string;
  /** File of that certificate. */
  readonly caFile: string;
  /** Folder in which it keeps certificates. */
  readonly folder: string;
  /** Lines of its log. */
  readonly log: readonly string[];
  stop(): Promise<void>;
}

export interface CaddyOptions {
  readonly httpPort: number;
  readonly httpsPort: number;
  /** Host of the API and git. */
  readonly console: string;
  /** Base URLs of control and of functions. */
  readonly controlUrl: string;
  readonly runUrl: string;
  /** Absent: the project's. */
  readonly caddyfile?: string;
  /** Folder in which it keeps certificates. Absent: a new one. */
  readonly folder?: string;
  /** URL of the directory of the authority that it asks. Absent: its own authority. */
  readonly authority?: string;
}

/** Starts Caddy; resolves when it serves and has the certificate of the console. */
export async function startCaddy(options: CaddyOptions): Promise<Caddy> {
  const folder = options.folder ?? (await temporaryFolder());
  const globals = [
    `http_port ${options.httpPort}`,
    `https_port ${options.httpsPort}`,
    'default_bind 127.0.0.1',
    options.authority === undefined ? 'local_certs' : `acme_ca ${options.authority}`,
    'skip_install_trust',
    'admin off',
  ];
  const child: ChildProcess = spawn(
    'caddy',
    ['run', '--config', options.caddyfile ?? caddyfile, '--adapter', 'caddyfile'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        XDG_DATA_HOME: folder,
        XDG_CONFIG_HOME: folder,
        TRISIEL_CADDY_OPTIONS: globals.join('\n'),
        TRISIEL_CONSOLE: options.console,
        TRISIEL_CONTROL: new URL(options.controlUrl).host,
        TRISIEL_FUNCTIONS: new URL(options.runUrl).host,
        TRISIEL_ASK: `${options.controlUrl}/tls/ask`,
      },
    },
  );
  const log: string[] = [];
  const wanted = new Set(['serving initial configuration']);
  // With certificates that it has already it asks for none.
  if (options.folder === undefined) wanted.add('certificate obtained successfully');
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr! }).on('line', (line) => {
      log.push(line);
      for (const text of wanted) if (line.includes(text)) wanted.delete(text);
      if (wanted.size === 0) resolve();
    });
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`caddy ended (${status}):\n${log.join('\n')}`)));
  });
  const caFile = join(folder, 'caddy/pki/authorities/local/root.crt');
  return {
    ca: await readFile(caFile, 'utf8'),
    caFile,
    log,
    folder,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}
