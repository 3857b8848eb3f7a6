/** Runs a local file in a separate process, so that Esc can end it at any time. */
import { spawn } from 'node:child_process';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import { splitWords } from './words.ts';

/** Lines of output that are kept; a guest may write without end. */
const linesMax = 5_000;
/** Characters after which a line without an end is cut. */
const lineCharsMax = 16 * 1024;
export const runHeadRows = 4;

export class RunScreen extends Screen {
  readonly app: App;
  readonly crumbs = ['run'];
  readonly form: Form;
  readonly scroll: Scroll;
  summary: string | null = null;
  #editing = true;

  constructor(app: App) {
    super();
    this.app = app;
    this.scroll = new Scroll({
      rows: () => Math.max(1, app.bodyRows - runHeadRows),
      columns: () => app.size.columns - 2,
    });
    this.form = new Form(
      [{ label: 'File', placeholder: 'hello.wasm, hello.wat or hello.h' }, { label: 'Arguments' }],
      () => void this.#start(),
    );
  }

  get editing(): boolean {
    return this.#editing;
  }

  override typing(): TypingTarget | null {
    return this.#editing ? this.form.input : null;
  }

  override status(): Status {
    return this.scroll.status();
  }

  bindings(): readonly Binding[] {
    if (this.#editing) return this.form.bindings('run');
    return [
      { keys: ['enter'], label: 'run again', help: 'run it again', run: () => void this.#start() },
      { keys: ['e'], label: 'edit', help: 'another file or arguments', run: () => this.#edit() },
      ...this.scroll.bindings(),
    ];
  }

  #edit(): void {
    this.form.focused = 0;
    this.#editing = true;
  }

  async #start(): Promise<void> {
    const { app, form } = this;
    const file = form.value('File').trim();
    if (file === '') return app.say('error', 'which file? a .wasm, .wat or .h');
    this.#editing = false;
    const lines: string[] = [];
    this.scroll.set(lines);
    await app.run(
      `running ${file}`,
      (task) => this.#run([file, ...splitWords(form.value('Arguments'))], lines, task.abort.signal),
      errorLines,
    );
  }

  #run(words: readonly string[], lines: string[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const [command = '', ...before] = this.app.options.runCommand;
      const child = spawn(command, [...before, 'run', '--stats', ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
        cwd: this.app.options.folder,
      });
      const kill = () => child.kill('SIGKILL');
      signal.addEventListener('abort', kill, { once: true });
      const collect = (stream: NodeJS.ReadableStream) => {
        let rest = '';
        stream.setEncoding('utf8');
        stream.on('data', (chunk: string) => {
          const pieces = (rest + chunk).split('\n');
          rest = (pieces.pop() ?? '').slice(0, lineCharsMax);
          lines.push(...pieces.slice(-linesMax).map((piece) => visible(piece.slice(0, lineCharsMax))));
          if (lines.length > linesMax) lines.splice(0, lines.length - linesMax);
        });
        stream.on('end', () => {
          if (rest !== '') lines.push(visible(rest));
        });
      };
      collect(child.stdout);
      collect(child.stderr);
      child.on('error', reject);
      child.on('close', (code, end) => {
        signal.removeEventListener('abort', kill);
        this.summary = end === null ? `ended with status ${code}` : `ended by ${end}`;
        this.scroll.set([...lines]);
        if (signal.aborted) reject(signal.reason);
        else resolve();
      });
    });
  }
}
