import type { InvocationRecord } from '../../src/protocol/nouns.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import type { HandlerScreen } from './handler-screen.ts';
import { ListModel } from './list-model.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status, type TypingTarget } from './screen.ts';
import { loaderStatus } from './status.ts';

export class InvocationsTab extends Screen {
  readonly crumbs = ['invocations'];
  readonly handler: HandlerScreen;
  readonly list: ListModel<InvocationRecord>;
  readonly loader: Loader<readonly InvocationRecord[]>;
  readonly #open: (id: string) => void;

  constructor(app: App, handler: HandlerScreen, open: (id: string) => void) {
    super(app);
    this.handler = handler;
    this.#open = open;
    this.list = new ListModel<InvocationRecord>({
      noun: 'invocations',
      stayOnTop: true,
      rows: () => app.bodyRows - 1,
      key: (record) => record.id,
      text: (record) => `${record.id} ${record.status} ${record.outcome} ${record.method} ${record.path}`,
    });
    this.loader = app.loader(
      (signal) => app.client.invocations(handler.name, { signal }),
      pollMs,
      (records) => this.list.set(records),
    );
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override typing(): TypingTarget | null {
    return this.list.typing ? this.list : null;
  }

  override back(): boolean {
    return this.list.back();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.list.status();
  }

  bindings(): readonly Binding[] {
    if (this.list.typing) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['enter', 'right'],
              label: 'open',
              help: 'open the invocation',
              run: () => this.#open(selected.id),
            },
          ]),
      ...this.list.bindings(),
      ...(selected === undefined
        ? []
        : [{ keys: ['y'], help: 'copy its id', run: () => this.app.copy(selected.id, selected.id) }]),
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
    ];
  }
}
