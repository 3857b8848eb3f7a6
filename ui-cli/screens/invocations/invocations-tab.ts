import type { InvocationRecord } from '../../../src/protocol/nouns.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import type { HandlerContext } from '../handler/tab.ts';
import { cancelBinding } from '../invocation/cancel.ts';

export class InvocationsTab extends ListScreen<InvocationRecord> {
  readonly crumbs = ['invocations'];
  readonly handler: HandlerContext;

  constructor(handler: HandlerContext) {
    super(handler.app, { noun: 'invocations', everyMs: pollMs, stayOnTop: true });
    this.handler = handler;
  }

  protected load(signal: AbortSignal): Promise<readonly InvocationRecord[]> {
    return this.app.client.invocations(this.handler.name, {}, { signal });
  }

  protected keyOf(record: InvocationRecord): string {
    return record.id;
  }

  protected textOf(record: InvocationRecord): string {
    return `${record.id} ${record.status} ${record.outcome} ${record.method} ${record.path}`;
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['enter', 'right'],
              label: 'open',
              help: 'open the invocation',
              run: () => this.handler.openInvocation(selected.id),
            },
          ]),
      ...this.list.bindings(),
      ...(selected === undefined
        ? []
        : [{ keys: ['y'], help: 'copy its id', run: () => this.app.copy(selected.id, selected.id) }]),
      ...((selected?.outcome as string | undefined) === 'running' && selected !== undefined
        ? [
            cancelBinding(this.app, {
              handler: this.handler.name,
              id: selected.id,
              cancelled: () => this.loader.refresh(),
            }),
          ]
        : []),
      this.reload,
    ];
  }
}
