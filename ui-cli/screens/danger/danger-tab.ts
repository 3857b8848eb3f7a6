import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { Screen, type TypingTarget } from '../../frame/screen.ts';
import { errorLines } from '../../text/error-lines.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Deletes and restores a handler. */
export class DangerTab extends Screen {
  readonly crumbs = ['danger zone'];
  readonly app: App;
  readonly handler: HandlerContext;
  /** Form in which the name is typed; null: closed. */
  form: Form | null = null;
  deleted = false;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
  }

  override typing(): TypingTarget | null {
    return this.form?.input ?? null;
  }

  override back(): boolean {
    if (this.form === null) return false;
    this.form = null;
    return true;
  }

  bindings(): readonly Binding[] {
    if (this.form !== null) {
      return [
        { keys: ['enter'], label: 'delete', help: 'delete it, if the name is right', run: () => void this.#delete() },
      ];
    }
    return this.deleted
      ? [{ keys: ['R'], label: 'restore', help: 'bring it back', run: () => void this.#restore() }]
      : [{ keys: ['D'], label: 'delete', help: 'delete this handler; asks for its name', run: () => this.#askName() }];
  }

  #askName(): void {
    this.form = new Form([{ label: 'Its name' }], () => void this.#delete());
  }

  async #delete(): Promise<void> {
    const { app, handler } = this;
    if (this.form?.value('Its name').trim() !== handler.name) {
      return app.say('error', `that is not ${handler.name}; nothing was deleted`);
    }
    await app.run(
      `deleting ${handler.name}`,
      async ({ abort: { signal } }) => {
        await app.client.deleteHandler(handler.name, { signal });
        this.form = null;
        this.deleted = true;
        handler.handler.stop();
        app.say('done', `deleted ${handler.name}`);
      },
      errorLines,
    );
  }

  async #restore(): Promise<void> {
    const { app, handler } = this;
    await app.run(
      `restoring ${handler.name}`,
      async ({ abort: { signal } }) => {
        await app.client.restoreHandler(handler.name, { signal });
        this.deleted = false;
        handler.handler.refresh();
        app.say('done', `${handler.name} is back`);
      },
      errorLines,
    );
  }
}
