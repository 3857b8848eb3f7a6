/**
 * Types the commands of a page the way its reader would, in order, into one shell, against a platform of the test's
 * own. In a block of the language `console` every line that begins with `$ ` is typed, and what it prints is compared
 * with the lines below it; in one of `sh` every line is typed, and has to succeed.
 *
 * In the lines below a command, `…` stands for any characters, and a line that is only `…` for any number of lines.
 * Figures that differ from run to run (times, dates, hashes, ids) are compared by their form. The ports 3002 and 3003
 * of a page are those of the test's platform.
 */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PageBlock, root } from './page-blocks.ts';
import { shellEnvironment } from './shell-environment.ts';

export interface ConsoleCommand {
  /** Text that is typed, continuation lines included. */
  readonly command: string;
  /** Output that the page shows; null: it shows none, so nothing is compared. */
  readonly expected: string | null;
  /** Line of the command in the page, from 1. */
  readonly line: number;
}

/** Returns the commands of blocks of the languages `console` and `sh`, in order. */
export function commandsOf(blocks: readonly PageBlock[]): readonly ConsoleCommand[] {
  return blocks.flatMap((block) => (block.language === 'sh' ? plainCommands(block) : promptedCommands(block)));
}

/** Lines that end with a backslash or a pipe go on in the next one. */
function plainCommands({ text, line }: PageBlock): readonly ConsoleCommand[] {
  const commands: ConsoleCommand[] = [];
  let open = '';
  for (const [index, part] of text.split('\n').entries()) {
    const whole = open.endsWith('\\') ? `${open.slice(0, -1)}${part.trimStart()}` : `${open}${part}`;
    open = /(?:\\|\|)$/.test(whole) ? (whole.endsWith('|') ? `${whole}\n` : whole) : '';
    if (open === '' && !/^\s*(?:#.*)?$/.test(whole))
      commands.push({ command: whole, expected: null, line: line + 1 + index });
  }
  return commands;
}

function promptedCommands({ page, text, line: opened }: PageBlock): readonly ConsoleCommand[] {
  const commands: ConsoleCommand[] = [];
  const lines = text.split('\n').slice(0, -1);
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    if (!line.startsWith('$ ')) throw new Error(`${page}:${opened + 1 + at}: output without a command: ${line}`);
    const start = at;
    let command = line.slice(2);
    while (command.endsWith('\\')) {
      at += 1;
      command = `${command.slice(0, -1)}${(lines[at] ?? '').trimStart()}`;
    }
    at += 1;
    const output: string[] = [];
    while (at < lines.length && !lines[at]?.startsWith('$ ')) output.push(lines[at++] ?? '');
    commands.push({ command, expected: output.length === 0 ? null : output.join('\n'), line: opened + 1 + start });
  }
  return commands;
}

/** Returns the files in a page, which are blocks with a name: ```toml wasmcloud.toml */
export function namedFiles(page: string): ReadonlyMap<string, string> {
  return new Map(
    [...page.matchAll(/^```\w+ ([\w./-]+\.\w+)\n([\s\S]*?)^```$/gm)].map(([, name = '', text = '']) => [name, text]),
  );
}

/**
 * Figures that differ from run to run, by their form: dates, ids of invocations, tokens, hashes, counts, times and
 * sizes.
 */
const figures = new RegExp(
  [
    /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/,
    /\b[0-9a-f]{6,12}-\d+\b/,
    /\b[0-9a-f]{32}\b/,
    /(?<=@ |commit )[0-9a-f]{7}\b|(?<=sha256 )[0-9a-f]{8}\b/,
    /(?<=\d %\s+)\d+(?=\s)/,
    /\b\d[\d.,]* (?:ms|s|min|µs|B|KiB|MiB)(?![\w/])/,
  ]
    .map(({ source }) => source)
    .join('|'),
);

/**
 * Returns the pattern of a line as a page shows it. Columns are as wide as their figures, so spaces between them may be
 * others.
 */
function linePattern(line: string): string {
  const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const found = [...line.matchAll(new RegExp(figures, 'g'))];
  let pattern = '';
  let end = 0;
  for (const { 0: text, index } of found) {
    pattern += `${line.slice(end, index).split('…').map(literal).join('.*')}(?:${figures.source})`;
    end = index + text.length;
  }
  pattern += line.slice(end).split('…').map(literal).join('.*');
  return pattern.replaceAll(found.length === 0 ? /(?<=\S) {2,}/g : /(?<=\S) +/g, found.length === 0 ? ' {2,}' : ' +');
}

/** Returns whether `actual` matches the page's `expected`. */
export function looksLike(actual: string, expected: string): boolean {
  const pattern = expected
    .trimEnd()
    .split('\n')
    .map((line) => (line.trim() === '…' ? '(?:.*\\n)*?' : `${linePattern(line.trimEnd())}\\n`))
    .join('');
  const clean = `${actual
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
    .trimEnd()}\n`;
  return new RegExp(`^${pattern}$`).test(clean);
}

/** A word of a page, and what it is here. */
export type PageWord = readonly [page: string, here: string];

export class PageShell {
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #words: readonly PageWord[];
  #cwd: string;

  private constructor(options: { home: string; env: NodeJS.ProcessEnv; words: readonly PageWord[] }) {
    this.#home = options.home;
    this.#cwd = options.home;
    this.#env = options.env;
    this.#words = options.words;
  }

  /**
   * Opens a shell in an empty home folder, with `wasmcloud` and `trisiel` on its PATH as `npm link` puts them there.
   * `words`: further words of the page that are others here.
   */
  static async open(options: {
    home: string;
    controlUrl: string;
    runUrl: string;
    words?: readonly PageWord[];
    env?: Readonly<Record<string, string>>;
  }): Promise<PageShell> {
    const bin = join(options.home, '.bin');
    await mkdir(bin, { recursive: true });
    for (const name of ['wasmcloud', 'trisiel']) {
      const launcher = join(root, 'bin', `${name}.js`);
      await writeFile(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${launcher}" "$@"\n`, { mode: 0o755 });
    }
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
        ...options.env,
      },
      words: [
        [':3002', `:${new URL(options.controlUrl).port}`],
        [':3003', `:${new URL(options.runUrl).port}`],
        ...(options.words ?? []),
      ],
    });
  }

  /** Sets a variable for later commands. */
  set(name: string, value: string): void {
    this.#env[name] = value;
  }

  async write(name: string, content: string | Uint8Array): Promise<void> {
    await writeFile(join(this.#cwd, name), content);
  }

  /** Runs a command; returns its output on both streams, with the page's words. `cd` applies to later commands. */
  async run(command: string, input = ''): Promise<{ readonly status: number; readonly output: string }> {
    const folderFile = join(this.#home, '.cwd');
    const real = this.#words.reduce((text, [page, here]) => text.replaceAll(page, here), command);
    const script = `{ ${real}\n} 2>&1; status=$?; pwd > '${folderFile}'; exit $status`;
    const result = await new Promise<{ status: number; output: string }>((resolve) => {
      const child = execFile(
        'bash',
        ['-c', script],
        { cwd: this.#cwd, env: this.#env, timeout: 120_000, maxBuffer: 1024 * 1024 },
        (error, stdout) => resolve({ status: error === null ? 0 : Number(error.code ?? 1), output: stdout }),
      );
      child.stdin?.on('error', () => {});
      child.stdin?.end(input);
    });
    this.#cwd = (await readFile(folderFile, 'utf8')).trim();
    const shown = this.#words.reduce((text, [page, here]) => text.replaceAll(here, page), result.output);
    return { status: result.status, output: shown };
  }

  /** Runs a command that has to succeed; returns its output. */
  async must(command: string, input = ''): Promise<string> {
    const { status, output } = await this.run(command, input);
    if (status !== 0) throw new Error(`${command} ended with ${status}:\n${output}`);
    return output;
  }
}
