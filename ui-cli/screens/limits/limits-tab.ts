import { type LimitName, limitKeyOf, limitNames, maximumLimits } from '../../../src/protocol/limits.ts';
import type { DeploymentView, HandlerSettings } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Form } from '../../frame/form.ts';
import { FormSlot } from '../../frame/form-slot.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { Screen, type Status, type TypingTarget } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import { loaderStatus } from '../../frame/status.ts';
import { limitsLines } from '../../text/deployment.ts';
import { errorLines } from '../../text/error-lines.ts';
import type { HandlerContext } from '../handler/tab.ts';

/** Shows the limits and policy of the live deployment, and sets limits without a push. */
export class LimitsTab extends Screen {
  readonly crumbs = ['limits'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly loader: Loader<DeploymentView | null>;
  readonly slot = new FormSlot();
  readonly scroll: Scroll;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
    this.loader = app.loader(async (signal) => {
      const deployments = await app.client.releases.deployments(handler.name, { signal });
      return deployments.find(({ state, preview }) => state === 'live' && preview === null) ?? null;
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

  override typing(): TypingTarget | null {
    return this.slot.typing;
  }

  override back(): boolean {
    return this.slot.close();
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.scroll.status();
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    const { settings } = this;
    return [
      ...(settings === null
        ? []
        : [{ keys: ['e'], label: 'change', help: 'set limits without a push', run: () => this.#ask(settings) }]),
      { keys: ['r'], help: 'load again', run: () => this.loader.refresh() },
      ...this.scroll.bindings(),
    ];
  }

  #ask({ limits }: HandlerSettings): void {
    this.slot.ask({
      title: `Limits of ${this.handler.name} without a push`,
      verb: 'set',
      notes: [
        'They win over the manifest, for all invocations from now on. An empty field: what the manifest says.',
        `The policy: wasmcloud policy ${this.handler.name} --allow PATTERN`,
      ],
      fields: limitNames.map((name) => ({
        label: limitKeyOf(name),
        value: limits[name] === undefined ? '' : String(limits[name]),
        placeholder: "the manifest's",
      })),
      submit: (form) => void this.#set(form),
    });
  }

  async #set(form: Form): Promise<void> {
    const { app, handler } = this;
    const asked = limitNames.map((name) => [name, form.value(limitKeyOf(name)).replaceAll(/[_,\s]/g, '')] as const);
    const wrong = asked.find(([name, text]) => !isLimit(name, text));
    if (wrong !== undefined) {
      const [name] = wrong;
      const most = maximumLimits[name].toLocaleString('en');
      return app.say('error', `${limitKeyOf(name)} is a whole number from 1 to ${most}; nothing was set`);
    }
    const limits = Object.fromEntries(asked.map(([name, text]) => [name, text === '' ? null : Number(text)]));
    await app.run(
      'setting limits',
      async () => {
        await app.client.changeSettings(handler.name, { limits });
        this.slot.close();
        app.say('done', 'the limits hold from now on');
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
