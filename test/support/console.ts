/**
 * Runs the `console` blocks of a page the way its reader would: every line that begins with `$ ` is typed into one
 * shell, in order, against a platform of the test's own, and what it prints is compared with the lines below it.
 *
 * In the lines below a command, `…` stands for any characters, and a line that is only `…` for any number of lines.
 * The ports 3002 and 3003 of a page are those of the test's platform.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { shellEnvironment } from './shell-environment.ts';

export interface ConsoleCommand {
  /** Text that is typed, continuation lines included. */
  readonly command: string;
  /** Output that the page shows; null: it shows none, so nothing is compared. */
  readonly expected: string | null;
  /** Line of the command in the page, from 1. */
  readonly line: number;
}

/** Returns the commands of all `console` blocks of a page, in order. */
export function consoleCommands(page: string): readonly ConsoleCommand[] {
  const commands: ConsoleCommand[] = [];
  for (const block of page.matchAll(/^```console\n([\s\S]*?)^```$/gm)) {
    const first = page.slice(0, block.index).split('\n').length + 1;
    const lines = (block[1] ?? '').split('\n').slice(0, -1);
    for (let at = 0; at < lines.length; ) {
      const line = lines[at] ?? '';
      if (!line.startsWith('$ ')) throw new Error(`line ${first + at}: output without a command: ${line}`);
      const start = at;
      let command = line.slice(2);
      while (command.endsWith('\\')) {
        at += 1;
        command = `${command.slice(0, -1)}${(lines[at] ?? '').trimStart()}`;
      }
      at += 1;
      const output: string[] = [];
      while (at < lines.length && !lines[at]?.startsWith('$ ')) output.push(lines[at++] ?? '');
      commands.push({ command, expected: output.length === 0 ? null : output.join('\n'), line: first + start });
    }
  }
  return commands;
}

/** Returns the files in a page, which are blocks with a name: ```toml wasmcloud.toml */
export function namedFiles(page: string): ReadonlyMap<string, string> {
  return new Map(
    [...page.matchAll(/^```\w+ ([\w./-]+\.\w+)\n([\s\S]*?)^```$/gm)].map(([, name = '', text = '']) => [name, text]),
  );
}

/** Returns whether `actual` matches the page's `expected`. */
export function looksLike(actual: string, expected: string): boolean {
  const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = expected
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `${line.trimEnd().split('…').map(literal).join('.*')}\\n`))
    .join('');
  const clean = `${actual
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()}\n`;
  return new RegExp(`^${pattern}$`).test(clean);
}

/** A port in a page, and the port of the test's platform. */
type PortPair = readonly [page: string, real: string];

export class PageShell {
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #ports: readonly PortPair[];
  #cwd: string;

  private constructor(options: { home: string; env: NodeJS.ProcessEnv; ports: readonly PortPair[] }) {
    this.#home = options.home;
    this.#cwd = options.home;
    this.#env = options.env;
    this.#ports = options.ports;
  }

  /** Opens a shell in an empty home folder, with `wasmcloud` on its PATH as `npm link` puts it there. */
  static async open(options: {
    home: string;
    launcher: string;
    controlUrl: string;
    runUrl: string;
  }): Promise<PageShell> {
    const bin = join(options.home, '.bin');
    await mkdir(bin, { recursive: true });
    await writeFile(join(bin, 'wasmcloud'), `#!/bin/sh\nexec "${process.execPath}" "${options.launcher}" "$@"\n`);
    await chmod(join(bin, 'wasmcloud'), 0o755);
    const { WASMCLOUD_TOKEN: _, ...inherited } = process.env;
    return new PageShell({
      home: options.home,
      env: {
        ...inherited,
        ...shellEnvironment({
          home: options.home,
          bin,
          configHome: join(options.home, '.config'),
          gitConfig: join(options.home, '.gitconfig'),
          server: options.controlUrl,
        }),
      },
      ports: [
        ['3002', new URL(options.controlUrl).port],
        ['3003', new URL(options.runUrl).port],
      ],
    });
  }

  async write(name: string, text: string): Promise<void> {
    await writeFile(join(this.#cwd, name), text);
  }

  /**
   * Runs a command; returns its output on both streams, with the page's port numbers. `cd` applies to later commands.
   */
  async run(command: string): Promise<{ readonly status: number; readonly output: string }> {
    const folderFile = join(this.#home, '.cwd');
    const real = this.#ports.reduce((text, [page, port]) => text.replaceAll(`:${page}`, `:${port}`), command);
    const script = `{ ${real}\n} 2>&1; status=$?; pwd > '${folderFile}'; exit $status`;
    const result = await new Promise<{ status: number; output: string }>((resolve) => {
      const child = execFile(
        'bash',
        ['-c', script],
        { cwd: this.#cwd, env: this.#env, timeout: 60_000, maxBuffer: 1024 * 1024 },
        (error, stdout) => resolve({ status: error === null ? 0 : Number(error.code ?? 1), output: stdout }),
      );
      child.stdin?.end();
    });
    this.#cwd = (await readFile(folderFile, 'utf8')).trim();
    const shown = this.#ports.reduce((text, [page, port]) => text.replaceAll(`:${port}`, `:${page}`), result.output);
    return { status: result.status, output: shown };
  }
}
