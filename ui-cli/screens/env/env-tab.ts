/**
 * Shows and sets variables of a handler, or those that a preview lays over them. Values are masked; `v` reveals one
 * that was just typed here.
 */
import type { VariableView } from '../../../src/protocol/views.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import { type HandlerContext, type OfPreview, permitted, previewCrumbs } from '../handler/tab.ts';

export class EnvTab extends ListScreen<VariableView> {
  readonly crumbs: readonly string[];
  readonly handler: HandlerContext;
  /** The preview whose variables are shown; null: those of the handler itself. */
  readonly preview: OfPreview | null;
  /** Form in which a variable is set; null: closed. */
  form: Form | null = null;
  /** Values typed since this screen was opened, by key; the server never returns a value in full. */
  readonly typed = new Map<string, string>();
  revealed = false;

  constructor(handler: HandlerContext, preview: OfPreview | null = null) {
    super(handler.app, { noun: 'variables', everyMs: 5 * pollMs });
    this.handler = handler;
    this.preview = preview;
    this.crumbs = [...previewCrumbs(handler, preview), 'environment'];
  }

  protected load(signal: AbortSignal): Promise<readonly VariableView[]> {
    return this.app.client.variables(this.handler.name, { signal, branch: this.#branch });
  }

  get #branch(): string | null {
    return this.preview?.branch ?? null;
  }

  protected keyOf(variable: VariableView): string {
    return variable.key;
  }

  protected textOf(variable: VariableView): string {
    return variable.key;
  }

  override hide(): void {
    super.hide();
    this.revealed = false;
  }

  override typing(): TypingTarget | null {
    return this.form?.input ?? super.typing();
  }

  override back(): boolean {
    if (this.form !== null) {
      this.form = null;
      return true;
    }
    return super.back();
  }

  bindings(): readonly Binding[] {
    if (this.form !== null) return this.form.bindings('save');
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    const change = { needs: 'setVariable' } as const;
    const unset = { needs: 'removeVariable' } as const;
    return permitted(this.handler, [
      { ...change, keys: ['a'], label: 'add', help: 'add a variable', run: () => this.#edit('') },
      ...(selected === undefined
        ? []
        : [
            {
              ...change,
              keys: ['enter'],
              label: 'change',
              help: 'give it another value',
              run: () => this.#edit(selected.key),
            },
            {
              ...unset,
              keys: ['d', 'delete'],
              label: 'unset',
              help: 'remove it',
              run: () => this.#askUnset(selected.key),
            },
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
      this.reload,
    ]);
  }

  /** Option of `wasmcloud env` that says the same; '' for the handler itself. */
  get branchOption(): string {
    return this.preview === null ? '' : ` --branch ${visible(this.preview.branch)}`;
  }

  #reveal(): void {
    this.revealed = !this.revealed;
  }

  #edit(key: string): void {
    this.revealed = false;
    const form = new Form(
      [
        { label: 'Key', value: key, placeholder: 'API_KEY' },
        { label: 'Value', secret: true, multiline: true },
      ],
      () => void this.#save(form.value('Key').trim(), form.value('Value')),
    );
    form.focused = key === '' ? 0 : 1;
    this.form = form;
  }

  async #save(key: string, value: string): Promise<void> {
    const { app, handler } = this;
    if (key === '') return app.say('error', 'the variable needs a name');
    if (value === '') {
      const hint = `hint: an empty value: wasmcloud env ${handler.name}${this.branchOption} set ${key} --empty`;
      return app.say('error', `${key} needs a value; nothing was set`, hint);
    }
    await app.run(
      `setting ${key}`,
      async ({ abort: { signal } }) => {
        await app.client.setVariable(handler.name, { key, value, branch: this.#branch }, { signal });
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
            await app.client.unsetVariable(handler.name, key, { signal, branch: this.#branch });
            this.typed.delete(key);
            app.say('done', `unset ${key}`);
            this.loader.refresh();
          },
          errorLines,
        ),
    });
  }
}
