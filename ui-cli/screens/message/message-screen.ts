import { PlatformError } from '../../../src/protocol/errors.ts';
import type { QueueMessageView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { TextScreen } from '../../frame/text-screen.ts';
import { errorLines } from '../../text/error-lines.ts';
import { messageBody, messageFacts } from '../../text/queue.ts';
import { visible } from '../../text/visible.ts';

/** Shows one message of a queue: what became of it, and its body as text or bytes. */
export class MessageScreen extends TextScreen<QueueMessageView> {
  readonly crumbs: readonly string[];
  readonly #queue: string;
  readonly #id: string;
  readonly #position: number;
  #asHex = false;

  constructor(app: App, queue: string, { id, position }: Pick<QueueMessageView, 'id' | 'position'>) {
    super(app, { everyMs: null });
    this.#queue = queue;
    this.#id = id;
    this.#position = position;
    this.crumbs = ['queues', queue, String(position)];
    // Most messages are one long line, and a message is opened to be read.
    this.scroll.wraps = true;
  }

  protected async load(signal: AbortSignal): Promise<QueueMessageView> {
    // The first message after the position before it, if it is still in the queue.
    const query = { after: this.#position - 1, limit: 1 };
    const { messages } = await this.app.client.queues.messages(this.#queue, query, { signal });
    const found = messages.find(({ id }) => id === this.#id);
    if (found !== undefined) return found;
    throw new PlatformError('not_found', `the message ${this.#id} is not in ${visible(this.#queue)} any more`, {
      hints: ['Esc goes back to those that are'],
    });
  }

  protected linesOf(message: QueueMessageView): readonly string[] {
    return [...messageFacts(message, Date.now()), '', ...messageBody(message, this.#asHex)];
  }

  bindings(): readonly Binding[] {
    const { app, loader } = this;
    const message = loader.data;
    return [
      ...(message?.text == null
        ? []
        : [
            {
              keys: ['h'],
              label: this.#asHex ? 'as text' : 'as bytes',
              help: 'show the body as text or as bytes',
              run: () => this.#toggleHex(message),
            },
          ]),
      ...(message?.state === 'dead'
        ? [{ keys: ['t'], label: 'retry', help: 'deliver it again', run: () => void this.#retry() }]
        : []),
      { keys: ['y'], label: 'copy id', help: 'copy the id', run: () => app.copy(this.#id, this.#id) },
      ...(message?.text == null
        ? []
        : [{ keys: ['Y'], help: 'copy the body', run: () => app.copy(message.text ?? '', 'the body') }]),
      { keys: ['r'], help: 'load again', run: () => loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }

  #toggleHex(message: QueueMessageView): void {
    this.#asHex = !this.#asHex;
    this.scroll.set(this.linesOf(message));
  }

  async #retry(): Promise<void> {
    const { app } = this;
    await app.run(
      `retrying ${this.#id}`,
      async ({ abort: { signal } }) => {
        await app.client.queues.retry(this.#queue, this.#id, { signal });
        app.say('done', `${this.#id} will be delivered again`);
        this.loader.refresh();
      },
      errorLines,
    );
  }
}
