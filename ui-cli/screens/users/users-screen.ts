import type { AccountView } from '../../../src/protocol/views.ts';
import type { AccountChange } from '../../client/accounts.ts';
import type { ItemPage } from '../../client/api.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Form } from '../../frame/form.ts';
import { pollMs } from '../../frame/loader.ts';
import { PagedListScreen } from '../../frame/paged-list-screen.ts';
import { errorLines } from '../../text/error-lines.ts';
import { readBytes, typedBytes } from '../../text/size.ts';

/** Greatest number that the form takes for handlers and calls. */
const countMax = 1_000_000;

/** Shows the accounts of the platform to administrators; suspends them and sets their limits. */
export class UsersScreen extends PagedListScreen<AccountView, string> {
  readonly crumbs = ['users'];

  constructor(app: App) {
    super(app, { noun: 'users', everyMs: 5 * pollMs });
  }

  protected loadPage(after: string | null, signal: AbortSignal): Promise<ItemPage<AccountView, string>> {
    return this.app.client.accounts.userPage(after, { signal });
  }

  protected keyOf(user: AccountView): string {
    return user.name;
  }

  protected textOf({ name, admin, suspendedMs }: AccountView): string {
    return `${name} ${admin ? 'admin' : ''} ${suspendedMs === null ? '' : 'suspended'}`;
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    return [...(selected === undefined ? [] : this.#bindingsOf(selected)), ...this.list.bindings(), this.reload];
  }

  #bindingsOf(user: AccountView): readonly Binding[] {
    const { name, admin, suspendedMs, secondFactor } = user;
    return [
      { keys: ['e', 'enter'], label: 'limits', help: 'set the limits of the user', run: () => this.#askLimits(user) },
      suspendedMs === null
        ? {
            keys: ['s'],
            label: 'suspend',
            help: 'suspend the user: functions answer 503, no log-in',
            run: () =>
              this.#ask(name, {
                title: `Suspend ${name}?`,
                line: 'All functions of the user answer 503, and the user cannot log in or push.',
                verb: 'suspend',
                change: { suspended: true },
                said: `${name} is suspended`,
              }),
          }
        : {
            keys: ['s'],
            label: 'unsuspend',
            help: 'end the suspension',
            run: () => void this.#change(name, { suspended: false }, `${name} is suspended no more`),
          },
      {
        keys: ['m'],
        help: admin ? 'take the rights of an administrator away' : 'make the user an administrator',
        run: () =>
          this.#ask(name, {
            title: admin ? `Make ${name} an administrator no more?` : `Make ${name} an administrator?`,
            line: 'An administrator sees all accounts and the whole audit, suspends users and sets their limits.',
            verb: 'yes',
            change: { admin: !admin },
            said: `${name} is ${admin ? 'an administrator no more' : 'an administrator'}`,
          }),
      },
      {
        keys: ['d', 'delete'],
        label: 'delete',
        help: 'delete a user who owns nothing, for good',
        run: () => this.#askDelete(name),
      },
      ...(secondFactor
        ? [
            {
              keys: ['f'],
              help: 'take a lost second factor away',
              run: () =>
                this.#ask(name, {
                  title: `Take the second factor of ${name} away?`,
                  line: 'The password alone is enough to log in then. Be sure who asks.',
                  verb: 'take away',
                  change: { secondFactor: false },
                  said: `${name} logs in without a code`,
                }),
            },
          ]
        : []),
    ];
  }

  #ask(
    name: string,
    asked: {
      readonly title: string;
      readonly line: string;
      readonly verb: string;
      readonly change: AccountChange;
      readonly said: string;
    },
  ): void {
    const { title, line, verb, change, said } = asked;
    const run = () => void this.#change(name, change, said);
    this.app.ask({ kind: 'confirm', title, lines: [line], verb, run });
  }

  #askDelete(name: string): void {
    const { app } = this;
    app.ask({
      kind: 'confirm',
      title: `Delete the user ${name} for good?`,
      lines: [
        'Tokens and roles go, versions that were pushed stay. A user who owns functions or queues is not deleted.',
      ],
      verb: 'delete',
      run: () =>
        void app.run(
          `deleting ${name}`,
          async ({ abort: { signal } }) => {
            await app.client.accounts.deleteUser(name, { signal });
            app.say('done', `deleted the user ${name}`);
            this.startAnew();
          },
          errorLines,
        ),
    });
  }

  #askLimits({ name, handlersMax, quotaBytes, callsMax }: AccountView): void {
    const placeholder = "the platform's";
    this.slot.ask({
      title: `Limits of ${name}`,
      verb: 'set',
      notes: ["An empty field: the platform's limit. A size is written 500MiB or 2GiB."],
      fields: [
        { label: 'Handlers', value: handlersMax?.toString() ?? '', placeholder },
        { label: 'Quota', value: quotaBytes === null ? '' : typedBytes(quotaBytes), placeholder },
        { label: 'Calls in flight', value: callsMax?.toString() ?? '', placeholder },
      ],
      submit: (form) => {
        const limits = limitsOf(form);
        if (limits === null)
          this.app.say('error', `a limit is a number from 1 to ${countMax}, a size 500MiB; nothing was set`);
        else void this.#change(name, limits, `the limits of ${name} hold from now on`);
      },
    });
  }

  async #change(name: string, change: AccountChange, said: string): Promise<void> {
    const { app } = this;
    await app.run(
      `changing ${name}`,
      async ({ abort: { signal } }) => {
        await app.client.accounts.changeUser(name, change, { signal });
        this.slot.close();
        app.say('done', said);
        this.startAnew();
      },
      errorLines,
    );
  }
}

/** Returns the limits of the form, null for each empty field; null: one is wrong. */
function limitsOf(form: Form): AccountChange | null {
  const [handlers = '', quota = '', calls = ''] = form.fields.map(({ input }) => input.value.trim());
  const handlersMax = countOf(handlers);
  const callsMax = countOf(calls);
  const quotaBytes = quota === '' ? null : (readBytes(quota) ?? undefined);
  if (handlersMax === undefined || callsMax === undefined || quotaBytes === undefined) return null;
  return { handlersMax, quotaBytes, callsMax };
}

/** Returns null for an empty field, undefined for text that is no number in range. */
function countOf(text: string): number | null | undefined {
  if (text === '') return null;
  return /^\d{1,7}$/.test(text) && Number(text) >= 1 && Number(text) <= countMax ? Number(text) : undefined;
}
