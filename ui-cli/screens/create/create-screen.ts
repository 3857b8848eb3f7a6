/** Creates a handler: asks for its name, then shows the commands to push to it. */
import { randomInt } from 'node:crypto';
import { generateName, isHandlerName } from '../../../src/protocol/names.ts';
import type { HandlerView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { Form } from '../../frame/form.ts';
import { Screen } from '../../frame/screen.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { addRemote, describeRemote, gitUrl } from '../../git-remote.ts';
import { errorLines } from '../../text/error-lines.ts';

export interface Created {
  readonly handler: HandlerView;
  readonly git: string;
  /** Results of the creation, followed by the next commands. */
  readonly lines: readonly string[];
}

export class CreateScreen extends Screen {
  readonly app: App;
  readonly crumbs = ['create'];
  readonly form: Form;
  created: Created | null = null;
  readonly #open: (name: string) => void;

  constructor(app: App, open: (name: string) => void) {
    super();
    this.app = app;
    this.#open = open;
    this.form = new Form([{ label: 'Name', value: generateName(randomInt) }], () => void this.#create());
  }

  override typing(): TypingTarget | null {
    return this.created === null ? this.form.input : null;
  }

  /** Problem of the typed name; null: none. */
  get problem(): string | null {
    const name = this.form.value('Name');
    if (name === '') return null;
    return isHandlerName(name) ? null : 'a name has 1 to 40 of a-z, 0-9 and single hyphens inside';
  }

  bindings(): readonly Binding[] {
    const { created, app } = this;
    if (created === null) {
      return [
        { keys: ['enter', 'ctrl-s'], label: 'create', help: 'create the handler', run: () => void this.#create() },
        { keys: ['ctrl-g'], label: 'another name', help: 'make up another name', run: () => this.#another() },
      ];
    }
    const command = created.lines.findLast((line) => line.includes('git '))?.replace(/^(next:)?\s*/, '') ?? created.git;
    return [
      { keys: ['y'], label: 'copy command', help: 'copy the push command', run: () => app.copy(command, command) },
      { keys: ['u'], label: 'copy URL', help: 'copy the URL', run: () => app.copy(created.handler.url, 'the URL') },
      { keys: ['enter'], label: 'open', help: 'open the handler', run: () => this.#open(created.handler.name) },
    ];
  }

  #another(): void {
    const input = this.form.fields[0]?.input;
    if (input !== undefined) input.value = generateName(randomInt);
  }

  async #create(): Promise<void> {
    const { app } = this;
    const name = this.form.value('Name').trim();
    if (this.problem !== null) return app.say('error', this.problem);
    await app.run(
      'creating',
      async (task) => {
        const handler = await app.client.createHandler(name === '' ? null : name, { signal: task.abort.signal });
        task.step = 'adding the git remote';
        const { server } = app.session;
        const git = gitUrl(server, handler.name);
        const { folder, launcher } = app.options;
        const remote = await addRemote({ folder, launcher, server, remote: 'wasmcloud', url: git });
        if (app.screen !== this) app.say('done', `created ${handler.name}`);
        this.created = { handler, git, lines: describeRemote(remote, git) };
      },
      errorLines,
    );
  }
}
