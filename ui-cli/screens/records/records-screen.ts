import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { pollMs } from '../../frame/loader.ts';
import { TextScreen } from '../../frame/text-screen.ts';

export interface RecordsOptions {
  /** Breadcrumb of the screen. */
  readonly crumbs: readonly string[];
  /** Loads the lines of the screen. */
  readonly load: (signal: AbortSignal) => Promise<readonly string[]>;
}

/** Shows a list that is changed by commands: tokens, a team, users, the audit. */
export class RecordsScreen extends TextScreen<readonly string[]> {
  readonly crumbs: readonly string[];
  readonly #load: RecordsOptions['load'];

  constructor(app: App, options: RecordsOptions) {
    super(app, { everyMs: 5 * pollMs });
    this.crumbs = options.crumbs;
    this.#load = options.load;
  }

  protected load(signal: AbortSignal): Promise<readonly string[]> {
    return this.#load(signal);
  }

  protected linesOf(lines: readonly string[]): readonly string[] {
    return lines;
  }

  bindings(): readonly Binding[] {
    return [
      { keys: ['r'], label: 'load again', help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }
}
