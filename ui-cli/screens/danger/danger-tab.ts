import { isHandlerName } from '../../../src/protocol/names.ts';
import type { TransferView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { runChange } from '../../frame/run-change.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { loaderStatus } from '../../frame/status.ts';
import { formatDate } from '../../text/format.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Renames, deletes, restores and purges a handler, and offers it to another owner. */
export class DangerTab extends Screen {
  readonly crumbs = ['danger zone'];
  readonly app: App;
  readonly handler: HandlerContext;
  /** The offer to another owner, if there is one. */
  readonly offer: Loader<TransferView | null>;
  state: 'there' | 'deleted' | 'purged' = 'there';

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.offer = app.loader((signal) => app.client.teams.offerOf(handler.name, { signal }), 5 * pollMs);
  }

  override show(): void {
    if (this.state === 'there') this.offer.start();
  }

  override hide(): void {
    this.offer.stop();
  }

  override status(): Status {
    return (this.state === 'there' ? loaderStatus(this.offer) : null) ?? { text: '' };
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    const purge = {
      needs: 'deleteHandler' as const,
      keys: ['P'],
      label: 'purge',
      help: 'remove it for good at once; asks for its name',
      run: () => this.#askPurge(),
    };
    if (this.state === 'purged') return [];
    if (this.state === 'deleted')
      return [
        {
          needs: 'restoreHandler',
          keys: ['R'],
          label: 'restore',
          help: 'bring it back',
          run: () => void this.#restore(),
        },
        purge,
      ];
    const offered = this.offer.data?.to ?? null;
    return [
      {
        needs: 'deleteHandler',
        keys: ['D'],
        label: 'delete',
        help: 'delete this handler; asks for its name',
        run: () => this.#askDelete(),
      },
      purge,
      offered === null
        ? {
            needs: 'offerTransfer',
            keys: ['t'],
            label: 'transfer',
            help: 'offer it to another owner, who accepts or declines',
            run: () => this.#askTransfer(),
          }
        : {
            needs: 'withdrawTransfer',
            keys: ['t'],
            label: 'take offer back',
            help: `do not offer it to ${offered} any more`,
            run: () => void this.#withdraw(offered),
          },
      {
        needs: 'changeHandler',
        keys: ['n'],
        label: 'rename',
        help: 'give it another name',
        run: () => this.#askRename(),
      },
    ];
  }

  #askDelete(): void {
    const { name } = this.handler;
    this.slot.askName(this.app, {
      name,
      title: 'Type its name to delete it',
      verb: 'delete',
      done: 'deleted',
      notes: [`${name} stops at once. It is kept for 30 days, in which it can be restored.`],
      run: () =>
        void this.#run(`deleting ${name}`, async (signal) => {
          await this.app.client.deleteHandler(name, { signal });
          this.#gone('deleted');
          return `deleted ${name}`;
        }),
    });
  }

  #askPurge(): void {
    const { name } = this.handler;
    this.slot.askName(this.app, {
      name,
      title: 'Type its name to remove it for good',
      verb: 'purge',
      done: 'removed',
      notes: [`${name} is removed with its repository, versions, log and values. Nothing brings it back.`],
      run: () =>
        void this.#run(`purging ${name}`, async (signal) => {
          await this.app.client.purgeHandler(name, { signal });
          this.#gone('purged');
          return `removed ${name} for good`;
        }),
    });
  }

  #askTransfer(): void {
    const { name } = this.handler;
    this.slot.ask({
      title: `Offer ${name} to another owner`,
      verb: 'offer',
      notes: [
        'Its variables, queues and logs go with it when the offer is accepted; then you have no role on it. An offer lapses after 7 days.',
      ],
      fields: [{ label: 'User', placeholder: 'name of the owner to be' }],
      submit: (form) => void this.#transfer(form.value('User').trim()),
    });
  }

  async #transfer(to: string): Promise<void> {
    const { app, handler } = this;
    if (to === '') return app.say('error', 'to whom? type the name of a user');
    await this.#run(`offering ${handler.name} to ${to}`, async (signal) => {
      const offer = await app.client.teams.offer(handler.name, to, { signal });
      this.slot.close();
      this.offer.refresh();
      return `${handler.name} is offered to ${offer.to} until ${formatDate(offer.expiresMs)}`;
    });
  }

  #askRename(): void {
    const { name } = this.handler;
    this.slot.ask({
      title: `Another name for ${name}`,
      verb: 'rename',
      notes: [
        'The old name leads git and HTTP to the new one, for 30 days at least. Nothing else changes, and no call is lost.',
      ],
      fields: [{ label: 'Name', value: name }],
      submit: (form) => void this.#rename(form.value('Name').trim()),
    });
  }

  async #rename(to: string): Promise<void> {
    const { app, handler } = this;
    if (!isHandlerName(to)) return app.say('error', 'a name has 1 to 40 of a-z, 0-9 and single hyphens inside');
    if (to === handler.name) return app.say('error', `it is called ${to} already`);
    await this.#run(`renaming ${handler.name}`, async (signal) => {
      await app.client.renameHandler(handler.name, to, { signal });
      this.slot.close();
      handler.openRenamed(to);
      return `${handler.name} is ${to} now`;
    });
  }

  async #withdraw(from: string): Promise<void> {
    const { app, handler } = this;
    await this.#run('taking the offer back', async (signal) => {
      await app.client.teams.withdraw(handler.name, { signal });
      this.offer.refresh();
      return `${handler.name} is not offered to ${from} any more`;
    });
  }

  async #restore(): Promise<void> {
    const { app, handler } = this;
    await this.#run(`restoring ${handler.name}`, async (signal) => {
      await app.client.restoreHandler(handler.name, { signal });
      this.state = 'there';
      handler.handler.refresh();
      this.offer.refresh();
      return `${handler.name} is back`;
    });
  }

  #gone(state: 'deleted' | 'purged'): void {
    this.slot.close();
    this.state = state;
    this.offer.stop();
    const { handler } = this.handler;
    handler.stop();
    // A load that ended meanwhile has found no handler; its error would hide what is said here.
    handler.error = null;
  }

  /** Runs an action that returns what to say. */
  #run(step: string, work: (signal: AbortSignal) => Promise<string>): Promise<void> {
    return runChange(this.app, step, work);
  }
}
