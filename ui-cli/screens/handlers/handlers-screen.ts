/** Lists all handlers of the user: the first screen. */
import type { HandlerView, UsageSummary } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import type { TabName } from '../handler/tab.ts';

export interface HandlersDoors {
  readonly handler: (name: string, tab?: TabName) => void;
  readonly create: () => void;
  readonly run: () => void;
  readonly quota: () => void;
  readonly queues: () => void;
  readonly logOut: () => void;
}

export class HandlersScreen extends ListScreen<HandlerView> {
  readonly crumbs: readonly string[] = [];
  /** Figures by handler name. */
  usage: ReadonlyMap<string, UsageSummary> = new Map();
  #deleted = false;
  readonly #doors: HandlersDoors;

  constructor(app: App, doors: HandlersDoors) {
    super(app, { noun: 'handlers', everyMs: pollMs });
    this.#doors = doors;
  }

  protected async load(signal: AbortSignal): Promise<readonly HandlerView[]> {
    const { client } = this.app;
    // A failure to load figures does not hide the list.
    const [handlers, deleted, usage] = await Promise.all([
      client.handlers({}, { signal }),
      this.#deleted ? client.handlers({ deleted: true }, { signal }) : [],
      client.allUsage({ signal }).catch(() => ({})),
    ]);
    this.usage = new Map(Object.entries(usage));
    return [...handlers, ...deleted];
  }

  protected keyOf(handler: HandlerView): string {
    return handler.name;
  }

  protected textOf({ name, state, url }: HandlerView): string {
    return `${name} ${state} ${url}`;
  }

  bindings(): readonly Binding[] {
    const { app, list } = this;
    const selected = list.selected;
    const on = (run: (handler: HandlerView) => void) => () => {
      if (selected !== undefined) run(selected);
    };
    const openIt = on((handler) => this.#doors.handler(handler.name));
    if (this.typing() !== null) return list.bindings();
    return [
      ...(selected === undefined || selected.state === 'deleted'
        ? []
        : [
            { keys: ['enter', 'right'], label: 'open', help: 'open the handler', run: openIt },
            { keys: ['l'], label: 'logs', help: 'its log, live', run: on((h) => this.#doors.handler(h.name, 'logs')) },
          ]),
      { keys: ['c'], label: 'create', help: 'create a handler', run: this.#doors.create },
      { keys: ['Q'], label: 'queues', help: 'your queues and their messages', run: this.#doors.queues },
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
      this.reload,
      { keys: ['u'], help: 'how much of the quota is used', run: this.#doors.quota },
      { keys: ['L'], help: 'log out', run: this.#doors.logOut },
    ];
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
