/** Logs in or signs up: the first screen of a new user. */
import type { PlatformError } from '../../../src/protocol/errors.ts';
import { Client } from '../../client/client.ts';
import { normalizeServer } from '../../config.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { Screen } from '../../frame/screen.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { errorLines } from '../../text/error-lines.ts';

export type LoginMode = 'login' | 'signup';

export class LoginScreen extends Screen {
  readonly app: App;
  override readonly isLogin = true;
  mode: LoginMode = 'login';
  /** Whether the server has answered that the account has a second factor. */
  #asksCode = false;
  form: Form;

  constructor(app: App) {
    super();
    this.app = app;
    this.form = this.#makeForm();
  }

  get crumbs(): readonly string[] {
    return [this.mode === 'login' ? 'log in' : 'sign up'];
  }

  override typing(): TypingTarget | null {
    return this.form.input;
  }

  bindings(): readonly Binding[] {
    const other = this.mode === 'login' ? 'new account' : 'log in instead';
    return [
      ...this.form.bindings(this.mode === 'login' ? 'log in' : 'sign up'),
      { keys: ['ctrl-n'], label: other, help: other, run: () => this.switchMode() },
    ];
  }

  switchMode(): void {
    const server = this.form.value('Server');
    const user = this.form.value('User name');
    this.mode = this.mode === 'login' ? 'signup' : 'login';
    this.form = this.#makeForm(server, user);
  }

  #makeForm(server = this.app.session.server, user = this.app.user ?? '', password = ''): Form {
    const form = new Form(
      [
        { label: 'Server', value: server },
        { label: 'User name', value: user },
        { label: 'Password', secret: true, value: password },
        ...(this.mode === 'login' && this.#asksCode ? [{ label: 'Code of your app' }] : []),
        ...(this.mode === 'signup'
          ? [
              { label: 'Password again', secret: true },
              { label: 'Invitation code', placeholder: 'npm start prints the code for the first account' },
            ]
          : []),
      ],
      () => void this.#submit(),
    );
    form.focused = user === '' ? 1 : 2;
    return form;
  }

  async #submit(): Promise<void> {
    const { app, form } = this;
    const name = form.value('User name').trim();
    const password = form.value('Password');
    if (name === '' || password === '') return app.say('error', 'a user name and a password are needed');
    if (this.mode === 'signup' && password !== form.value('Password again')) {
      return app.say('error', 'the two passwords differ');
    }
    await app.run(
      this.mode === 'login' ? 'logging in' : 'signing up',
      async ({ abort: { signal } }) => {
        const server = normalizeServer(form.value('Server'));
        const client = new Client({ server, token: null });
        const invite = form.value('Invitation code').trim() || null;
        const token =
          this.mode === 'login'
            ? await client.logIn(
                { name, password, code: this.#asksCode ? form.value('Code of your app').trim() : undefined },
                { signal },
              )
            : await client.signUp({ name, password, invite }, { signal });
        await app.options.saveLogin(server, { user: name, token });
        app.loggedIn({ server, token, user: name, tokenFrom: 'config' });
      },
      (error) => this.#explain(error),
    );
  }

  #explain(error: PlatformError): readonly string[] {
    if (error.code === 'code_required' && !this.#asksCode) {
      const password = this.form.value('Password');
      this.#asksCode = true;
      this.form = this.#makeForm(this.form.value('Server'), this.form.value('User name'), password);
      this.form.focused = this.form.fields.length - 1;
      return ['this account has a second factor: type the code that your app shows'];
    }
    if (error.code === 'invite_required') {
      this.form.focused = this.form.fields.length - 1;
    }
    return errorLines(error);
  }
}
