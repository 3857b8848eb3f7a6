import type { HandlerRole, InvocationRecord } from '../../../src/protocol/nouns.ts';
import { roleAllows } from '../../../src/protocol/permissions.ts';
import type { LogPage } from '../../../src/protocol/ports.ts';
import { searchLogs } from '../../client/log-search.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { TextScreen } from '../../frame/text-screen.ts';
import { invocationLines } from '../../text/invocation.ts';
import { shortId } from '../../text/log-line.ts';
import { cancelBinding } from './cancel.ts';

interface Shown {
  readonly record: InvocationRecord;
  readonly page: LogPage;
  readonly role: HandlerRole;
}

/** Shows one invocation: request, outcome, gas, system calls, log lines. */
export class InvocationScreen extends TextScreen<Shown> {
  readonly crumbs: readonly string[];
  readonly id: string;
  readonly #handler: string;

  /** `name`: name of the handler. */
  constructor(app: App, name: string, id: string) {
    super(app, { everyMs: null });
    this.id = id;
    this.#handler = name;
    this.crumbs = [name, 'invocation', shortId(id)];
  }

  protected async load(signal: AbortSignal): Promise<Shown> {
    const { client } = this.app;
    const [record, page, { role }] = await Promise.all([
      client.invocation(this.#handler, this.id, { signal }),
      searchLogs(client, this.#handler, { invocation: this.id, limit: 1_000 }, { signal }),
      client.handler(this.#handler, { signal }),
    ]);
    return { record, page, role };
  }

  protected linesOf({ record, page }: Shown): readonly string[] {
    return invocationLines(record, page);
  }

  bindings(): readonly Binding[] {
    const { data } = this.loader;
    const isRunning = (data?.record.outcome as string | undefined) === 'running';
    const mayCancel = data !== null && roleAllows('cancelInvocation', data.role);
    const cancelled = () => this.loader.refresh();
    return [
      ...(isRunning && mayCancel ? [cancelBinding(this.app, { handler: this.#handler, id: this.id, cancelled })] : []),
      { keys: ['y'], label: 'copy id', help: 'copy the id', run: () => this.app.copy(this.id, this.id) },
      { keys: ['r'], label: 'load again', help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }
}
