import type { PlatformError } from '../../src/protocol/errors.ts';
import type { InvocationRecord, LogLine } from '../../src/protocol/nouns.ts';
import { invocationLines } from '../text/invocation.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import type { Loader } from './loader.ts';
import { Screen, type Status } from './screen.ts';
import { Scroll } from './scroll.ts';
import { loaderFailure, loaderStatus } from './status.ts';

/** One run: request, outcome, gas, system calls, its log lines. */
export class InvocationScreen extends Screen {
  readonly crumbs: readonly string[];
  readonly id: string;
  readonly loader: Loader<{ readonly record: InvocationRecord; readonly lines: readonly LogLine[] }>;
  readonly scroll: Scroll;

  constructor(app: App, name: string, id: string) {
    super(app);
    this.id = id;
    this.crumbs = [name, 'invocation', id.slice(-8)];
    this.scroll = new Scroll(() => app.bodyRows);
    this.loader = app.loader(
      async (signal) => {
        const [record, page] = await Promise.all([
          app.client.invocation(name, id, { signal }),
          app.client.logs(name, { invocation: id, limit: 1_000 }, { signal }),
        ]);
        return { record, lines: page.lines };
      },
      null,
      ({ record, lines }) => this.scroll.set(invocationLines(record, lines)),
    );
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override failure(): PlatformError | null {
    return loaderFailure(this.loader);
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.scroll.status();
  }

  bindings(): readonly Binding[] {
    return [
      { keys: ['y'], label: 'copy id', help: 'copy the id', run: () => this.app.copy(this.id, this.id) },
      { keys: ['r'], label: 'load again', help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }
}
