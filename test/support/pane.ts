/** Types into a real terminal, and reads what it shows. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** A tmux server of its own with one window. Its control client tells when the screen has changed. */
export class Pane {
  readonly #socket: string;
  readonly #control: ChildProcessWithoutNullStreams;
  #wake: () => void = () => undefined;

  private constructor(socket: string) {
    this.#socket = socket;
    this.#control = spawn('tmux', ['-S', socket, '-C', 'attach', '-t', 'test']);
    this.#control.stdout.on('data', () => this.#wake());
  }

  /** Opens a window with a shell in `folder`. */
  static async open(
    folder: string,
    variables: Readonly<Record<string, string>>,
    { columns, rows } = { columns: 80, rows: 24 },
  ): Promise<Pane> {
    const socket = join(folder, `tmux-${randomBytes(6).toString('hex')}`);
    const size = ['-x', String(columns), '-y', String(rows)];
    await exec(
      'tmux',
      ['-S', socket, '-f', '/dev/null', 'new-session', '-d', '-s', 'test', ...size, 'bash', '--norc'],
      {
        cwd: folder,
        env: { ...variables, PS1: '$ ', TERM: 'xterm-256color' },
      },
    );
    await exec('tmux', ['-S', socket, 'set-option', '-g', 'window-size', 'manual']);
    const pane = new Pane(socket);
    await pane.shows(/^\$/m);
    return pane;
  }

  async tmux(...words: readonly string[]): Promise<string> {
    return (await exec('tmux', ['-S', this.#socket, ...words])).stdout;
  }

  /** Key names as tmux has them, or text. */
  keys(...names: readonly string[]): Promise<string> {
    return this.tmux('send-keys', '-t', 'test', ...names);
  }

  screen(): Promise<string> {
    return this.tmux('capture-pane', '-p', '-t', 'test');
  }

  async shows(wanted: string | RegExp): Promise<string> {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      const screen = await this.screen();
      if (typeof wanted === 'string' ? screen.includes(wanted) : wanted.test(screen)) return screen;
      await changed;
    }
  }

  async close(): Promise<void> {
    await this.tmux('kill-server').catch(() => undefined);
    this.#control.kill();
  }
}
