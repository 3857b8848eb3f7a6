import { type TokenScope, tokenScopes } from '../../../src/protocol/nouns.ts';
import type { TokenView } from '../../../src/protocol/views.ts';
import type { TokenTerms } from '../../client/accounts.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Form } from '../../frame/form.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';

/** Days that the server takes as the life of a Token. */
const daysMax = 3_650;

/** Shows the user's Tokens; makes and revokes them. */
export class TokensScreen extends ListScreen<TokenView> {
  readonly crumbs = ['tokens'];
  /** The Token that was just made, which is shown until Esc and never again; null: none. */
  made: string | null = null;

  constructor(app: App) {
    super(app, { noun: 'tokens', everyMs: 5 * pollMs });
  }

  protected load(signal: AbortSignal): Promise<readonly TokenView[]> {
    return this.app.client.accounts.tokens({ signal });
  }

  protected keyOf(token: TokenView): string {
    return token.id;
  }

  protected textOf({ id, label, scope, handler }: TokenView): string {
    return `${id} ${label} ${scope} ${handler ?? ''}`;
  }

  override hide(): void {
    super.hide();
    this.made = null;
  }

  override back(): boolean {
    if (this.made !== null) {
      this.made = null;
      return true;
    }
    return super.back();
  }

  bindings(): readonly Binding[] {
    const { app, slot, made } = this;
    if (made !== null)
      return [{ keys: ['y'], label: 'copy', help: 'copy the token', run: () => app.copy(made, 'the token') }];
    if (slot.open !== null) return slot.bindings();
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [
      { keys: ['a'], label: 'create', help: 'make a token, such as one for a CI job', run: () => this.#ask() },
      ...(selected === undefined
        ? []
        : [
            {
              keys: ['d', 'delete'],
              label: 'revoke',
              help: 'revoke it: it is refused from then on',
              run: () => this.#askRevoke(selected),
            },
          ]),
      ...this.list.bindings(),
      this.reload,
    ];
  }

  #ask(): void {
    this.slot.ask({
      title: 'Make a token',
      verb: 'create',
      notes: [
        'full: everything; deploy: pushes, rollbacks, variables; read: looks. A token for one handler is deploy or read.',
      ],
      fields: [
        { label: 'Label', placeholder: 'ci' },
        { label: 'Scope', value: 'deploy' },
        { label: 'Handler', placeholder: 'all' },
        { label: 'Days', placeholder: 'it never ends' },
      ],
      submit: (form) => void this.#create(form),
    });
  }

  async #create(form: Form): Promise<void> {
    const { app } = this;
    const terms = termsOf(form);
    if (typeof terms === 'string') return app.say('error', `${terms}; no token was made`);
    await app.run(
      'making a token',
      async ({ abort: { signal } }) => {
        const { token } = await app.client.accounts.createToken(terms, { signal });
        this.slot.close();
        this.made = token;
        this.loader.refresh();
      },
      errorLines,
    );
  }

  #askRevoke({ id, label }: TokenView): void {
    const { app } = this;
    app.ask({
      kind: 'confirm',
      title: `Revoke ${visible(label)}?`,
      lines: [
        'What uses it is refused from then on; open log streams end. If it is the one that you use here, you log in again.',
      ],
      verb: 'revoke',
      run: () =>
        void app.run(
          `revoking ${visible(label)}`,
          async ({ abort: { signal } }) => {
            await app.client.accounts.revokeToken(id, { signal });
            app.say('done', `revoked ${visible(label)}`);
            this.loader.refresh();
          },
          errorLines,
        ),
    });
  }
}

/** Returns what the form asks for, or what is wrong with it. */
function termsOf(form: Form): TokenTerms | string {
  const [label = '', scope = '', handler = '', days = ''] = form.fields.map(({ input }) => input.value.trim());
  const known: TokenScope | undefined = tokenScopes.find((one) => one === scope);
  if (label === '') return 'the token needs a label';
  if (known === undefined) return `the scope is ${tokenScopes.join(', ')}`;
  if (days !== '' && !(/^\d{1,4}$/.test(days) && Number(days) >= 1 && Number(days) <= daysMax))
    return `days are a number from 1 to ${daysMax}`;
  return {
    label,
    scope: known,
    ...(handler === '' ? {} : { handler }),
    ...(days === '' ? {} : { expiresInDays: Number(days) }),
  };
}
