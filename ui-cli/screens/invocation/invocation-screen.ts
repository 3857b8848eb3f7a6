import type { PlatformError } from '../../../src/protocol/errors.ts';
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Loader } from '../../frame/loader.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import { loaderFailure, loaderStatus } from '../../frame/status.ts';
import { invocationLines } from '../../text/invocation.ts';

/** One run: request, outcome, gas, system calls, its log lines. */
export class InvocationScreen extends Screen {
  readonly app: App;
  readonly crumbs: readonly string[];
  readonly id: string;
  readonly loader: Loader<{ readonly record: InvocationRecord; readonly lines: readonly LogLine[] }>;
  readonly scroll: Scroll;

  constructor(app: App, name: string, id: string) {
    super();
    this.app = app;
    this.id = id;
    this.crumbs = [name, 'invocation', id.slice(-8)];
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
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
