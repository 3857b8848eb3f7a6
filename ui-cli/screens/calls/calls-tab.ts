import { type CallState, callStates } from '../../../src/protocol/nouns.ts';
import type { CallView } from '../../../src/protocol/views.ts';
import type { ItemPage } from '../../client/api.ts';
import type { Binding } from '../../frame/bindings.ts';
import { pollMs } from '../../frame/loader.ts';
import { PagedListScreen } from '../../frame/paged-list-screen.ts';
import type { Status } from '../../frame/screen.ts';
import { callWords } from '../../text/call.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Rows below the list that describe the selected call. */
const callDetailRows = 5;

/** States in the order of the key that goes through them; null: all. Asynchronous requests are never skipped. */
const shownStates: readonly (CallState | null)[] = [null, ...callStates.filter((state) => state !== 'skipped')];

/**
 * Shows asynchronous requests of the handler's callers. The answer of a call is for its caller alone, who has its
 * address; the invocation that made it is shown instead.
 */
export class CallsTab extends PagedListScreen<CallView, string> {
  readonly crumbs = ['calls'];
  readonly handler: HandlerContext;
  state: CallState | null = null;

  constructor(handler: HandlerContext) {
    super(handler.app, { noun: 'calls', everyMs: pollMs, stayOnTop: true });
    this.handler = handler;
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= callDetailRows + 5;
  }

  protected override get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1 - (this.showsDetail ? callDetailRows : 0));
  }

  protected loadPage(after: string | null, signal: AbortSignal): Promise<ItemPage<CallView, string>> {
    const query = { state: this.state ?? undefined, after: after ?? undefined };
    return this.app.client.platformCalls.calls(this.handler.name, query, { signal });
  }

  protected keyOf(call: CallView): string {
    return `${call.id} ${call.acceptedMs}`;
  }

  protected textOf({ id, state, status, reason, invocation }: CallView): string {
    return `${id} ${callWords[state]} ${status ?? ''} ${reason ?? ''} ${invocation ?? ''}`;
  }

  override status(): Status {
    const status = super.status();
    if (this.state === null || status.input !== undefined) return status;
    return { ...status, text: `only: ${callWords[this.state]} (s shows others)   ${status.text}` };
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { app, list, handler } = this;
    const { selected } = list;
    const invocation = selected?.invocation ?? null;
    return [
      ...(invocation === null
        ? []
        : [
            {
              keys: ['enter', 'right'],
              label: 'open',
              help: 'open the invocation of its last attempt',
              run: () => handler.openInvocation(invocation),
            },
          ]),
      { keys: ['s'], label: 'state', help: 'calls in the next state only', run: () => this.#nextState() },
      ...list.bindings(),
      ...(invocation === null
        ? []
        : [{ keys: ['y'], help: 'copy the id of the invocation', run: () => app.copy(invocation, invocation) }]),
      ...(selected === undefined ? [] : this.#changes(selected)),
      this.reload,
    ];
  }

  /** Returns the key for the change that a call in this state allows. */
  #changes({ id, state }: CallView): readonly Binding[] {
    if (state === 'failed')
      return [
        {
          needs: 'retryCall',
          keys: ['R'],
          help: 'try the call again',
          run: () => this.#change(id, 'retry', 'waits again'),
        },
      ];
    if (state !== 'ready' && state !== 'inflight') return [];
    return [
      { needs: 'cancelCall', keys: ['x'], help: 'end the call', run: () => this.#change(id, 'cancel', 'is cancelled') },
    ];
  }

  #change(id: string, verb: 'cancel' | 'retry', said: string): void {
    const { app, handler } = this;
    void app.run(
      `${verb} ${visible(id)}`,
      async ({ abort: { signal } }) => {
        await app.client.platformCalls.changeCall(handler.name, id, verb, { signal });
        app.say('done', `${visible(id)} ${said}`);
        this.loader.refresh();
      },
      errorLines,
    );
  }

  #nextState(): void {
    this.state = shownStates[(shownStates.indexOf(this.state) + 1) % shownStates.length] ?? null;
    this.list.set([]);
    this.loader.data = null;
    this.startAnew();
  }
}
