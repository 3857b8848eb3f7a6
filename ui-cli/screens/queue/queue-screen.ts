/** Shows one queue: what it holds, its messages by state, and what can be done with them. */
import { type MessageState, messageStates } from '../../../src/protocol/nouns.ts';
import type { QueueMessageView, QueueView } from '../../../src/protocol/views.ts';
import type { ItemPage } from '../../client/api.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { PagedListScreen } from '../../frame/paged-list-screen.ts';
import { runChange } from '../../frame/run-change.ts';
import { errorLines } from '../../text/error-lines.ts';
import { formatBytes, plural } from '../../text/format.ts';
import { messageCount, messageWords } from '../../text/queue.ts';
import { visible } from '../../text/visible.ts';
import { askPublish } from '../queues/publish.ts';
import { askExport } from './queue-export.ts';

/** Rows above the list: what the queue is, what became of messages lately, the states. */
const queueHeadRows = 3;
/** Characters of a body or a reason that are kept for the list; a message alone is loaded again in full. */
const keptChars = 2_000;

/** What the list shows, in the order of Tab; null: messages in any state. */
export const shownStates = [null, ...messageStates] as const;

export class QueueScreen extends PagedListScreen<QueueMessageView, number> {
  readonly crumbs: readonly string[];
  readonly name: string;
  /** Figures of the queue. */
  readonly queue: Loader<QueueView>;
  state: MessageState | null = null;
  readonly #open: (message: QueueMessageView) => void;

  constructor(app: App, options: { readonly name: string; readonly open: (message: QueueMessageView) => void }) {
    super(app, { noun: 'messages', everyMs: pollMs });
    this.name = options.name;
    this.#open = options.open;
    this.crumbs = ['queues', options.name];
    this.queue = app.loader((signal) => app.client.queues.show(options.name, { signal }), pollMs);
  }

  override get headRows(): number {
    return queueHeadRows;
  }

  protected async loadPage(after: number | null, signal: AbortSignal): Promise<ItemPage<QueueMessageView, number>> {
    const query = { ...(this.state === null ? {} : { state: this.state }), ...(after === null ? {} : { after }) };
    const { messages, next } = await this.app.client.queues.messages(this.name, query, { signal });
    return { items: messages.map(beginningOf), next };
  }

  protected keyOf(message: QueueMessageView): string {
    return message.id;
  }

  protected textOf({ id, state, text, reason, group }: QueueMessageView): string {
    return `${id} ${messageWords[state]} ${text ?? ''} ${reason ?? ''} ${group ?? ''}`;
  }

  override show(): void {
    super.show();
    this.queue.start();
  }

  override hide(): void {
    super.hide();
    this.queue.stop();
  }

  bindings(): readonly Binding[] {
    const { app, slot, list } = this;
    if (slot.open !== null) return slot.bindings();
    if (this.typing() !== null) return list.bindings();
    const { selected } = list;
    const isPaused = this.queue.data?.isPaused === true;
    const dead = this.queue.data?.messages.dead ?? 0;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['enter', 'right'],
              label: 'look',
              help: 'show the message in full, as text or bytes',
              run: () => this.#open(selected),
            },
          ]),
      { keys: ['tab'], label: 'state', help: 'messages in the next state', run: () => this.#step(1) },
      { keys: ['shift-tab'], help: 'messages in the state before', run: () => this.#step(-1) },
      ...(selected?.state === 'dead'
        ? [{ keys: ['t'], label: 'retry', help: 'deliver it again', run: () => void this.#retry(selected) }]
        : []),
      ...(dead === 0
        ? []
        : [{ keys: ['T'], help: 'deliver all dead letters again', run: () => this.#askRetryAll(dead) }]),
      {
        keys: ['p'],
        label: isPaused ? 'resume' : 'pause',
        help: isPaused ? 'deliver its messages again' : 'deliver nothing until it is resumed',
        run: () => void this.#pause(!isPaused),
      },
      {
        keys: ['a'],
        label: 'publish',
        help: 'publish a message',
        run: () => askPublish(app, slot, { queue: this.name, published: () => this.#changed() }),
      },
      { keys: ['x'], help: 'export the messages of this state to a file', run: () => askExport(app, slot, this) },
      { keys: ['P'], help: 'purge the messages of this state; asks for the name', run: () => this.#askPurge() },
      { keys: ['D'], help: 'delete the queue; asks for its name', run: () => this.#askDelete() },
      ...list.bindings(),
      ...(selected === undefined
        ? []
        : [{ keys: ['y'], help: 'copy the id of the message', run: () => app.copy(selected.id, selected.id) }]),
      this.reload,
    ];
  }

  #step(by: number): void {
    const at = shownStates.indexOf(this.state) + by + shownStates.length;
    this.state = shownStates[at % shownStates.length] ?? null;
    this.list.set([]);
    this.loader.data = null;
    this.startAnew();
  }

  #changed(): void {
    this.queue.refresh();
    this.startAnew();
  }

  /** Words for the messages that the list shows: `3 dead messages of emails`. */
  get #shownWords(): string {
    const count = this.queue.data === null ? null : messageCount(this.queue.data, this.state);
    const word = `${this.state === null ? '' : `${messageWords[this.state]} `}message`;
    return `${count === null ? `all ${word}s` : plural(count, word)} of ${visible(this.name)}`;
  }

  async #retry(message: QueueMessageView): Promise<void> {
    await this.#run(`retrying ${message.id}`, async (signal) => {
      await this.app.client.queues.retry(this.name, message.id, { signal });
      return `${message.id} will be delivered again`;
    });
  }

  #askRetryAll(dead: number): void {
    const what = plural(dead, 'dead letter');
    this.app.ask({
      kind: 'confirm',
      title: `Deliver ${what} again?`,
      lines: [`Each is tried as often as a new message of ${visible(this.name)}.`],
      verb: 'deliver again',
      run: () =>
        void this.#run(`retrying ${what}`, async (signal) => {
          const count = await this.app.client.queues.retry(this.name, undefined, { signal });
          return `${plural(count, 'dead letter')} will be delivered again`;
        }),
    });
  }

  async #pause(isPaused: boolean): Promise<void> {
    await this.#run(isPaused ? 'pausing' : 'resuming', async (signal) => {
      await this.app.client.queues.pause(this.name, isPaused, { signal });
      const what = isPaused ? 'is paused: messages come in and wait' : 'delivers again';
      return `${visible(this.name)} ${what}`;
    });
  }

  #askPurge(): void {
    const { state } = this;
    this.slot.askName(this.app, {
      name: this.name,
      title: `Purge ${this.#shownWords}`,
      verb: 'purge',
      done: 'removed',
      notes: [
        `Removes ${this.#shownWords} for good, but those that are with a consumer. Nothing brings them back.`,
        'Type the name of the queue, then Enter; Esc changes nothing.',
      ],
      run: () =>
        void this.#run('purging', async (signal) => {
          const removed = await this.app.client.queues.purge(this.name, state === null ? {} : { state }, { signal });
          this.slot.close();
          return `removed ${plural(removed.messages, 'message')} (${formatBytes(removed.bytes)})`;
        }),
    });
  }

  #askDelete(): void {
    const { app } = this;
    this.slot.askName(app, {
      name: this.name,
      title: `Delete the queue ${visible(this.name)}`,
      verb: 'delete',
      done: 'deleted',
      notes: [
        'Removes the queue with every message in it, also those that are with a consumer. Nothing brings it back.',
        'Type the name of the queue, then Enter; Esc changes nothing.',
      ],
      run: () =>
        void app.run(
          `deleting ${visible(this.name)}`,
          async ({ abort: { signal } }) => {
            await app.client.queues.delete(this.name, { signal });
            this.slot.close();
            app.say('done', `deleted the queue ${visible(this.name)}`);
            if (app.screen === this) app.back();
          },
          errorLines,
        ),
    });
  }

  /** Runs an action that returns what to say, then loads again. */
  #run(step: string, work: (signal: AbortSignal) => Promise<string>): Promise<void> {
    return runChange(this.app, step, work, () => this.#changed());
  }
}

/** Returns a message with the beginnings of its texts, copied, so that the whole of 1 MiB is not kept for a row. */
function beginningOf(message: QueueMessageView): QueueMessageView {
  return {
    ...message,
    text: message.text === null ? null : copyOf(message.text),
    base64: message.base64 === null ? null : copyOf(message.base64),
  };
}

function copyOf(text: string): string {
  return text.length <= keptChars ? text : Buffer.from(text.slice(0, keptChars)).toString();
}
