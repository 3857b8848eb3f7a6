import type { DrainView } from '../../../src/protocol/views.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Rows below the list that describe the selected drain. */
export const drainDetailRows = 4;

/** Shows where log lines are handed on to, and how that fares; removes drains. */
export class DrainsTab extends ListScreen<DrainView> {
  readonly crumbs = ['drains'];
  readonly handler: HandlerContext;

  constructor(handler: HandlerContext) {
    super(handler.app, { noun: 'drains', everyMs: 2 * pollMs });
    this.handler = handler;
  }

  get showsDetail(): boolean {
    return this.app.bodyRows >= drainDetailRows + 4;
  }

  protected override get listRows(): number {
    return Math.max(1, this.app.bodyRows - 1 - (this.showsDetail ? drainDetailRows : 0));
  }

  protected load(signal: AbortSignal): Promise<readonly DrainView[]> {
    return this.app.client.drains.list(this.handler.name, { signal });
  }

  protected keyOf(drain: DrainView): string {
    return drain.name;
  }

  protected textOf({ name, kind, target }: DrainView): string {
    return `${name} ${kind} ${target}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              needs: 'deleteDrain' as const,
              keys: ['d', 'delete'],
              label: 'remove',
              help: 'remove the drain',
              run: () => this.#askRemove(selected),
            },
          ]),
      ...this.list.bindings(),
      this.reload,
    ];
  }

  #askRemove({ name }: DrainView): void {
    const { app, handler } = this;
    const shown = visible(name);
    app.ask({
      kind: 'confirm',
      title: `Remove the drain ${shown}?`,
      lines: ['No further lines are handed on. The log stays as it is.'],
      verb: 'remove',
      run: () =>
        void app.run(
          `removing ${shown}`,
          async ({ abort: { signal } }) => {
            await app.client.drains.remove(handler.name, name, { signal });
            app.say('done', `removed ${shown}`);
            this.loader.refresh();
          },
          errorLines,
        ),
    });
  }
}
