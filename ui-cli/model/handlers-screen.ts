/** All handlers of the user: the first screen. */

import type { PlatformError } from '../../src/protocol/errors.ts';
import type { HandlerView } from '../../src/protocol/nouns.ts';
import type { UsageView } from '../client/views.ts';
import { errorLines } from '../text/error-lines.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import { ListModel } from './list-model.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status, type TypingTarget } from './screen.ts';
import { loaderFailure, loaderStatus } from './status.ts';

export interface HandlersDoors {
  readonly handler: (name: string, tab?: string) => void;
  readonly create: () => void;
  readonly run: () => void;
  readonly logOut: () => void;
}

export class HandlersScreen extends Screen {
  readonly crumbs: readonly string[] = [];
  readonly list: ListModel<HandlerView>;
  readonly loader: Loader<readonly HandlerView[]>;
  /** By handler name. */
  usage: ReadonlyMap<string, UsageView> = new Map();
  #deleted = false;
  readonly #doors: HandlersDoors;

  constructor(app: App, doors: HandlersDoors) {
    super(app);
    this.#doors = doors;
    this.list = new ListModel<HandlerView>({
      noun: 'handlers',
      rows: () => app.bodyRows - 1,
      key: (handler) => handler.name,
      text: (handler) => `${handler.name} ${handler.state} ${handler.url}`,
    });
    this.loader = app.loader(
      (signal) => this.#load(signal),
      pollMs,
      (handlers) => this.list.set(handlers),
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

  override failure(): PlatformError | null {
    return loaderFailure(this.loader);
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.list.status();
  }

  bindings(): readonly Binding[] {
    const { app, list } = this;
    const selected = list.selected;
    const on = (run: (handler: HandlerView) => void) => () => {
      if (selected !== undefined) run(selected);
    };
    const openIt = on((handler) => this.#doors.handler(handler.name));
    if (list.typing) return list.bindings();
    return [
      ...(selected === undefined || selected.state === 'deleted'
        ? []
        : [
            { keys: ['enter', 'right'], label: 'open', help: 'open the handler', run: openIt },
            { keys: ['l'], label: 'logs', help: 'its log, live', run: on((h) => this.#doors.handler(h.name, 'logs')) },
          ]),
      { keys: ['c'], label: 'create', help: 'create a handler', run: this.#doors.create },
      ...list.bindings(),
      ...(selected?.state === 'deleted'
        ? [
            {
              keys: ['R'],
              label: 'restore',
              help: 'bring the deleted handler back',
              run: () => void this.#restore(selected.name),
            },
          ]
        : []),
      { keys: ['D'], help: 'show or hide deleted handlers', run: () => this.#toggleDeleted() },
      { keys: ['i'], help: 'invoke the handler', run: on((h) => this.#doors.handler(h.name, 'invoke')) },
      { keys: ['d'], help: 'its deployments', run: on((h) => this.#doors.handler(h.name, 'deployments')) },
      { keys: ['y'], help: 'copy its URL', run: on((h) => app.copy(h.url, h.url)) },
      { keys: ['x'], help: 'run a local file', run: this.#doors.run },
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
      { keys: ['L'], help: 'log out', run: this.#doors.logOut },
    ];
  }

  async #load(signal: AbortSignal): Promise<readonly HandlerView[]> {
    const { client } = this.app;
    // Figures are a help; a list without them is still a list.
    const [handlers, deleted, usage] = await Promise.all([
      client.handlers({ signal }),
      this.#deleted ? client.deletedHandlers({ signal }) : [],
      client.allUsage({ signal }).catch(() => ({})),
    ]);
    this.usage = new Map(Object.entries(usage));
    return [...handlers, ...deleted];
  }

  #toggleDeleted(): void {
    this.#deleted = !this.#deleted;
    this.loader.refresh();
  }

  async #restore(name: string): Promise<void> {
    const { app } = this;
    await app.run(
      `restoring ${name}`,
      async ({ abort: { signal } }) => {
        await app.client.restoreHandler(name, { signal });
        app.say('done', `${name} is back`);
        this.loader.refresh();
      },
      errorLines,
    );
  }
}
