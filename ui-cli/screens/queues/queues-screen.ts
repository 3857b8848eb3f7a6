/** Lists the queues of the user. */
import type { QueueView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import { askPublish } from './publish.ts';

export class QueuesScreen extends ListScreen<QueueView> {
  readonly crumbs = ['queues'];
  readonly #open: (name: string) => void;

  constructor(app: App, open: (name: string) => void) {
    super(app, { noun: 'queues', everyMs: pollMs });
    this.#open = open;
  }

  protected load(signal: AbortSignal): Promise<readonly QueueView[]> {
    return this.app.client.queues.list({ signal });
  }

  protected keyOf(queue: QueueView): string {
    return queue.name;
  }

  protected textOf({ name, isPaused, consumers }: QueueView): string {
    return `${name} ${isPaused ? 'paused' : ''} ${consumers.join(' ')}`;
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined ? [] : this.#bindingsOf(selected)),
      { keys: ['a'], label: 'publish', help: 'publish a message; a first one makes its queue', run: () => this.#ask() },
      ...this.list.bindings(),
      this.reload,
    ];
  }

  #bindingsOf(queue: QueueView): readonly Binding[] {
    const { name, isPaused } = queue;
    return [
      { keys: ['enter', 'right'], label: 'open', help: 'open the queue', run: () => this.#open(name) },
      isPaused
        ? { keys: ['p'], label: 'resume', help: 'deliver its messages again', run: () => void this.#pause(name, false) }
        : {
            keys: ['p'],
            label: 'pause',
            help: 'deliver none of its messages until it is resumed',
            run: () => void this.#pause(name, true),
          },
    ];
  }

  #ask(): void {
    const queue = this.list.selected?.name ?? '';
    askPublish(this.app, this.slot, { queue, published: () => this.loader.refresh() });
  }

  async #pause(name: string, isPaused: boolean): Promise<void> {
    const { app } = this;
    await app.run(
      `${isPaused ? 'pausing' : 'resuming'} ${visible(name)}`,
      async ({ abort: { signal } }) => {
        await app.client.queues.pause(name, isPaused, { signal });
        app.say('done', `${visible(name)} ${isPaused ? 'is paused: messages come in and wait' : 'delivers again'}`);
        this.loader.refresh();
      },
      errorLines,
    );
  }
}
