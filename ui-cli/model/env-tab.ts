/** Variables of a handler. Values are masked; `v` reveals one that was typed here just now. */
import type { VariableView } from '../client/views.ts';
import { errorLines } from '../text/error-lines.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import { Form } from './form.ts';
import type { HandlerScreen } from './handler-screen.ts';
import { ListModel } from './list-model.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status, type TypingTarget } from './screen.ts';
import { loaderStatus } from './status.ts';

export class EnvTab extends Screen {
  readonly crumbs = ['environment'];
  readonly handler: HandlerScreen;
  readonly list: ListModel<VariableView>;
  readonly loader: Loader<readonly VariableView[]>;
  /** Open while a variable is set. */
  form: Form | null = null;
  /** Typed since this screen was opened, the only values we know. */
  readonly typed = new Map<string, string>();
  revealed = false;

  constructor(app: App, handler: HandlerScreen) {
    super(app);
    this.handler = handler;
    this.list = new ListModel<VariableView>({
      noun: 'variables',
      rows: () => app.bodyRows - 1,
      key: (variable) => variable.key,
      text: (variable) => variable.key,
    });
    this.loader = app.loader(
      (signal) => app.client.variables(handler.name, { signal }),
      5 * pollMs,
      (variables) => this.list.set(variables),
    );
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
    this.revealed = false;
  }

  override typing(): TypingTarget | null {
    return this.form?.input ?? (this.list.typing ? this.list : null);
  }

  override back(): boolean {
    if (this.form !== null) {
      this.form = null;
      return true;
    }
    return this.list.back();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.list.status();
  }

  bindings(): readonly Binding[] {
    if (this.form !== null) return this.form.bindings('save');
    if (this.list.typing) return this.list.bindings();
    const { selected } = this.list;
    return [
      { keys: ['a'], label: 'add', help: 'add a variable', run: () => this.#edit('') },
      ...(selected === undefined
        ? []
        : [
            { keys: ['enter'], label: 'change', help: 'give it another value', run: () => this.#edit(selected.key) },
            { keys: ['d', 'delete'], label: 'unset', help: 'remove it', run: () => this.#askUnset(selected.key) },
            ...(this.typed.has(selected.key)
              ? [
                  {
                    keys: ['v'],
                    label: 'reveal',
                    help: 'show or hide the value typed just now',
                    run: () => this.#reveal(),
                  },
                ]
              : []),
          ]),
      ...this.list.bindings(),
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
    ];
  }

  #reveal(): void {
    this.revealed = !this.revealed;
  }

  #edit(key: string): void {
    this.revealed = false;
    const form = new Form(
      [
        { label: 'Key', value: key, placeholder: 'API_KEY' },
        { label: 'Value', secret: true },
      ],
      () => void this.#save(form.value('Key').trim(), form.value('Value')),
    );
    form.focused = key === '' ? 0 : 1;
    this.form = form;
  }

  async #save(key: string, value: string): Promise<void> {
    const { app, handler } = this;
    if (key === '') return app.say('error', 'the variable needs a name');
    await app.run(
      `setting ${key}`,
      async ({ abort: { signal } }) => {
        await app.client.setVariable(handler.name, { key, value }, { signal });
        this.typed.set(key, value);
        this.form = null;
        app.say('done', `set ${key}; new invocations see it`);
        this.loader.refresh();
      },
      errorLines,
    );
  }

  #askUnset(key: string): void {
    const { app, handler } = this;
    app.ask({
      kind: 'confirm',
      title: `Unset ${key}?`,
      lines: [`New invocations of ${handler.name} run without it. Its value cannot be brought back.`],
      verb: 'unset',
      run: () =>
        void app.run(
          `unsetting ${key}`,
          async ({ abort: { signal } }) => {
            await app.client.unsetVariable(handler.name, key, { signal });
            this.typed.delete(key);
            app.say('done', `unset ${key}`);
            this.loader.refresh();
          },
          errorLines,
        ),
    });
  }
}
