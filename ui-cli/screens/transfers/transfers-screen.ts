import type { TransferView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';

/** Shows handlers that are offered to the user; accepts and declines them. */
export class TransfersScreen extends ListScreen<TransferView> {
  readonly crumbs = ['transfers'];
  readonly #open: (handler: string) => void;

  constructor(app: App, open: (handler: string) => void) {
    super(app, { noun: 'transfers', everyMs: 5 * pollMs });
    this.#open = open;
  }

  protected load(signal: AbortSignal): Promise<readonly TransferView[]> {
    return this.app.client.teams.offers({ signal });
  }

  protected keyOf(transfer: TransferView): string {
    return transfer.handler;
  }

  protected textOf({ handler, from }: TransferView): string {
    return `${handler} ${from}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['a', 'enter'],
              label: 'accept',
              help: 'become the owner of the handler',
              run: () => this.#askAccept(selected),
            },
            {
              keys: ['d', 'delete'],
              label: 'decline',
              help: 'refuse the handler',
              run: () => void this.#decline(selected.handler),
            },
          ]),
      ...this.list.bindings(),
      this.reload,
    ];
  }

  #askAccept({ handler, from }: TransferView): void {
    const { app } = this;
    app.ask({
      kind: 'confirm',
      title: `Become the owner of ${handler}?`,
      lines: [`${from} offers it. What it stores counts in your quota from then on.`],
      verb: 'accept',
      run: () =>
        void app.run(
          `accepting ${handler}`,
          async ({ abort: { signal } }) => {
            await app.client.teams.accept(handler, { signal });
            this.#open(handler);
            app.say('done', `${handler} is yours`);
          },
          errorLines,
        ),
    });
  }

  async #decline(handler: string): Promise<void> {
    const { app } = this;
    await app.run(
      `declining ${handler}`,
      async ({ abort: { signal } }) => {
        await app.client.teams.decline(handler, { signal });
        app.say('done', `declined ${handler}`);
        this.loader.refresh();
      },
      errorLines,
    );
  }
}
