import { type LimitName, limitKeyOf, limitNames, maximumLimits } from '../../../src/protocol/limits.ts';
import { type HandlerSettings, policyLists } from '../../../src/protocol/nouns.ts';
import { recordOf } from '../../../src/protocol/record-of.ts';
import type { DeploymentView } from '../../../src/protocol/views.ts';
import type { SettingsChange } from '../../client/client.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Form } from '../../frame/form.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import { loaderStatus } from '../../frame/status.ts';
import { limitsLines } from '../../text/deployment.ts';
import { errorLines } from '../../text/error-lines.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Shows the limits and policy of the live deployment; sets limits and adds patterns to the policy without a push. */
export class LimitsTab extends Screen {
  readonly crumbs = ['limits'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly loader: Loader<DeploymentView | null>;
  readonly scroll: Scroll;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
    this.loader = app.loader(async (signal) => {
      const { version } = await app.client.handler(handler.name, { signal });
      return version === null ? null : app.client.releases.deployment(handler.name, version, { signal });
    }, 5 * pollMs);
  }

  get settings(): HandlerSettings | null {
    return this.handler.handler.data?.settings ?? null;
  }

  /** Lines of the limits, as far as they fit; null: nothing is live. */
  get lines(): readonly string[] | null {
    const { data } = this.loader;
    if (data === null) return null;
    this.scroll.set(limitsLines(data, this.settings, this.app.size.columns - 3));
    return this.scroll.window;
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.scroll.status();
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    const { settings } = this;
    const needs = 'changeHandler' as const;
    return [
      ...(settings === null
        ? []
        : [
            {
              needs,
              keys: ['e'],
              label: 'change',
              help: 'set limits without a push',
              run: () => this.#askLimits(settings),
            },
            {
              needs,
              keys: ['p'],
              label: 'policy',
              help: 'add patterns to the policy without a push',
              run: () => this.#askPolicy(settings),
            },
          ]),
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }

  #askLimits({ limits }: HandlerSettings): void {
    this.slot.ask({
      title: `Limits of ${this.handler.name} without a push`,
      verb: 'set',
      notes: ['They win over the manifest, for all invocations from now on. An empty field: what the manifest says.'],
      fields: limitNames.map((name) => ({
        label: limitKeyOf(name),
        value: limits[name] === undefined ? '' : String(limits[name]),
        placeholder: "the manifest's",
      })),
      submit: (form) => void this.#setLimits(form),
    });
  }

  async #setLimits(form: Form): Promise<void> {
    const { app } = this;
    const asked = limitNames.map((name) => [name, form.value(limitKeyOf(name)).replaceAll(/[_,\s]/g, '')] as const);
    const wrong = asked.find(([name, text]) => !isLimit(name, text));
    if (wrong !== undefined) {
      const [name] = wrong;
      const most = maximumLimits[name].toLocaleString('en');
      return app.say('error', `${limitKeyOf(name)} is a whole number from 1 to ${most}; nothing was set`);
    }
    const limits = Object.fromEntries(asked.map(([name, text]) => [name, text === '' ? null : Number(text)]));
    await this.#change({ limits }, 'setting limits', 'the limits hold from now on');
  }

  #askPolicy({ policy }: HandlerSettings): void {
    const { name } = this.handler;
    // In the form it would become two patterns.
    if (policyLists.some((list) => policy[list].some((pattern) => /\s/.test(pattern)))) {
      this.app.say('error', `a pattern has a space in it: change it with wasmcloud policy ${name}`);
      return;
    }
    this.slot.ask({
      title: `Patterns added to the policy of ${name}`,
      verb: 'set',
      notes: [
        'Regular expressions for the URLs that the function opens, with spaces between them. They are added to those of the manifest and replace those that were added before; an empty field adds none. They hold from now on.',
        'A URL may be opened if a pattern allows it and none disallows it. Without a policy in the manifest every URL may be, so that only patterns under disallow change something.',
      ],
      fields: policyLists.map((list) => ({ label: list, value: policy[list].join(' '), placeholder: 'none added' })),
      submit: (form) => void this.#setPolicy(form),
    });
  }

  async #setPolicy(form: Form): Promise<void> {
    const policy = recordOf(policyLists, (list) =>
      form
        .value(list)
        .split(/\s+/)
        .filter((pattern) => pattern !== ''),
    );
    await this.#change({ policy }, 'setting the policy', 'the policy holds from now on');
  }

  /** Changes settings; the form stays open where they are refused. */
  async #change(change: SettingsChange, doing: string, done: string): Promise<void> {
    const { app, handler } = this;
    await app.run(
      doing,
      async () => {
        await app.client.changeSettings(handler.name, change);
        this.slot.close();
        app.say('done', done);
        handler.handler.refresh();
      },
      errorLines,
    );
  }
}

/** Returns whether `text` is a value of the limit, or empty. */
function isLimit(name: LimitName, text: string): boolean {
  return text === '' || (/^\d{1,15}$/.test(text) && Number(text) >= 1 && Number(text) <= maximumLimits[name]);
}
