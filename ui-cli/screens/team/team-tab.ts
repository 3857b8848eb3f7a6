import { type CollaboratorRole, collaboratorRoles, type HandlerRole } from '../../../src/protocol/nouns.ts';
import type { Binding } from '../../frame/bindings.ts';
import { ListScreen } from '../../frame/list-screen.ts';
import { pollMs } from '../../frame/loader.ts';
import { runChange } from '../../frame/run-change.ts';
import { errorLines } from '../../text/error-lines.ts';
import { visible } from '../../text/visible.ts';
import type { HandlerContext } from '../handler/tab.ts';

export interface Member {
  readonly user: string;
  readonly role: HandlerRole;
  /** Unix milliseconds; null: the owner. */
  readonly addedMs: number | null;
}

/** Shows who works on a handler; its owner gives and takes roles, the others can leave. */
export class TeamTab extends ListScreen<Member> {
  readonly crumbs = ['team'];
  readonly handler: HandlerContext;

  constructor(handler: HandlerContext) {
    super(handler.app, { noun: 'members', everyMs: 5 * pollMs });
    this.handler = handler;
  }

  protected async load(signal: AbortSignal): Promise<readonly Member[]> {
    const { client } = this.app;
    const [{ owner }, collaborators] = await Promise.all([
      client.handler(this.handler.name, { signal }),
      client.teams.collaborators(this.handler.name, { signal }),
    ]);
    return [{ user: owner, role: 'owner', addedMs: null }, ...collaborators];
  }

  protected keyOf(member: Member): string {
    return member.user;
  }

  protected textOf({ user, role }: Member): string {
    return `${user} ${role}`;
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    if (this.typing() !== null) return this.list.bindings();
    const { selected } = this.list;
    const isOwner = this.handler.handler.data?.role === 'owner';
    return [
      ...(isOwner ? this.#ownersBindings(selected) : this.#othersBindings()),
      ...this.list.bindings(),
      this.reload,
    ];
  }

  #ownersBindings(selected: Member | undefined): readonly Binding[] {
    const add = { keys: ['a'], label: 'add', help: 'give a user a role', run: () => this.#ask('', 'deployer') };
    if (selected === undefined || selected.role === 'owner') return [add];
    const { user, role } = selected;
    const other = role === 'viewer' ? 'deployer' : 'viewer';
    return [
      add,
      {
        keys: ['enter'],
        label: `make ${other}`,
        help: `make ${user} a ${other}`,
        run: () => void this.#setRole(user, other),
      },
      { keys: ['d', 'delete'], label: 'remove', help: 'take the role away', run: () => this.#askRemove(user) },
    ];
  }

  #othersBindings(): readonly Binding[] {
    if (this.handler.handler.data === null) return [];
    return [{ keys: ['L'], label: 'leave', help: 'give your own role up', run: () => this.#askLeave() }];
  }

  #ask(user: string, role: CollaboratorRole): void {
    this.slot.ask({
      title: `Who works on ${this.handler.name}`,
      verb: 'add',
      notes: ['A deployer pushes, rolls back and sets variables; a viewer looks at everything.'],
      fields: [
        { label: 'User', value: user, placeholder: 'name of an account' },
        { label: 'Role', value: role },
      ],
      submit: (form) => {
        const known = collaboratorRoles.find((one) => one === form.value('Role').trim());
        const name = form.value('User').trim();
        if (name === '') this.app.say('error', 'who? type the name of a user');
        else if (known === undefined) this.app.say('error', `as what? ${collaboratorRoles.join(' or ')}`);
        else void this.#setRole(name, known);
      },
    });
  }

  async #setRole(user: string, role: CollaboratorRole): Promise<void> {
    await this.#run(`making ${visible(user)} a ${role}`, async (signal) => {
      await this.app.client.teams.setRole(this.handler.name, { user, role }, { signal });
      this.slot.close();
      return `${visible(user)} is a ${role} of ${this.handler.name}`;
    });
  }

  #askRemove(user: string): void {
    this.app.ask({
      kind: 'confirm',
      title: `Take the role of ${visible(user)} away?`,
      lines: [`${visible(user)} does not see ${this.handler.name} any more, open logs included.`],
      verb: 'remove',
      run: () =>
        void this.#run(`removing ${visible(user)}`, async (signal) => {
          await this.app.client.teams.remove(this.handler.name, user, { signal });
          return `${visible(user)} does not work on ${this.handler.name} any more`;
        }),
    });
  }

  #askLeave(): void {
    const { app, handler } = this;
    app.ask({
      kind: 'confirm',
      title: `Leave ${handler.name}?`,
      lines: ['Only its owner can give you a role again.'],
      verb: 'leave',
      run: () =>
        void app.run(
          `leaving ${handler.name}`,
          async ({ abort: { signal } }) => {
            await app.client.teams.leave(handler.name, { signal });
            app.jump([]);
            app.say('done', `you do not work on ${handler.name} any more`);
          },
          errorLines,
        ),
    });
  }

  /** Runs an action that returns what to say, then loads again. */
  #run(step: string, work: (signal: AbortSignal) => Promise<string>): Promise<void> {
    return runChange(this.app, step, work, () => this.loader.refresh());
  }
}
