/** Draws the app into frames with Ink, in a terminal of any size, over the real API. */
import { render } from 'ink-testing-library';
import { AppView } from '../../ui-cli/frame/AppView.tsx';
import { App } from '../../ui-cli/frame/app.ts';
import type { TabName } from '../../ui-cli/screens/handler/tab.ts';
import { startScreens } from '../../ui-cli/screens/start-screens.ts';
import type { Control } from './ui-cli.ts';

export interface OpenOptions {
  readonly control: Control;
  readonly token: string | null;
  readonly handler?: string;
  readonly tab?: TabName;
  readonly columns?: number;
  readonly rows?: number;
  /** Command as the user types it. */
  readonly command?: string;
}

export class Terminal {
  readonly app: App;
  readonly copied: string[] = [];
  readonly logins: string[] = [];
  readonly browsed: string[] = [];
  readonly stops: string[] = [];
  exits = 0;
  readonly #view: ReturnType<typeof render>;
  #wake: () => void = () => undefined;

  constructor(options: OpenOptions) {
    const { control, token, columns = 80, rows = 24 } = options;
    this.app = new App({
      session: { server: control.url, token, user: token === null ? null : 'ada', tokenFrom: 'config' },
      size: { columns, rows },
      noColour: true,
      saveLogin: async (server, account) => void this.logins.push(`${account.user} ${server}`),
      forgetLogin: async () => undefined,
      copy: (text) => void this.copied.push(text),
      exit: () => {
        this.exits += 1;
      },
      command: options.command ?? 'wasmcloud',
      browse: (url) => void this.browsed.push(url),
      stop: async () => void this.stops.push('stopped'),
      launcher: '/opt/wasmcloud',
      runCommand: [process.execPath, '-e', 'console.log("ran", process.argv.slice(1).join(" "))'],
      folder: control.folder,
    });
    const { handler, tab } = options;
    startScreens(this.app, { ...(handler === undefined ? {} : { handler }), ...(tab === undefined ? {} : { tab }) });
    this.#view = render(<AppView app={this.app} />);
    const { stdout } = this.#view;
    const write = stdout.write;
    stdout.write = (frame: string) => {
      write(frame);
      this.#wake();
    };
    this.resize(columns, rows);
  }

  get frame(): string {
    return this.#view.lastFrame() ?? '';
  }

  get lines(): string[] {
    return this.frame.split('\n');
  }

  get footer(): string {
    return this.lines.at(-1) ?? '';
  }

  resize(columns: number, rows: number): void {
    const { stdout } = this.#view;
    Object.defineProperty(stdout, 'columns', { value: columns, configurable: true });
    Object.defineProperty(stdout, 'rows', { value: rows, configurable: true });
    stdout.emit('resize');
  }

  type(text: string): void {
    this.#view.stdin.write(text);
  }

  /** Types, then waits until the frame shows `wanted`. */
  async press(text: string, wanted: string | RegExp): Promise<void> {
    this.type(text);
    await this.shows(wanted);
  }

  async shows(wanted: string | RegExp): Promise<void> {
    const found = () => (typeof wanted === 'string' ? this.frame.includes(wanted) : wanted.test(this.frame));
    while (!found()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async hides(unwanted: string): Promise<void> {
    while (this.frame.includes(unwanted)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  close(): void {
    this.app.stop();
    this.#view.unmount();
  }
}

export const keys = {
  enter: '\r',
  esc: '\u001b',
  tab: '\t',
  shiftTab: '\u001b[Z',
  up: '\u001b[A',
  down: '\u001b[B',
  right: '\u001b[C',
  ctrlC: '\u0003',
  ctrlN: '\u000e',
  ctrlR: '\u0012',
  ctrlS: '\u0013',
  ctrlU: '\u0015',
  pageUp: '\u001b[5~',
} as const;
