import type { DeploymentView, RolloutView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Form } from '../../frame/form.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import { runChange } from '../../frame/run-change.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { Scroll } from '../../frame/scroll.ts';
import { loaderStatus } from '../../frame/status.ts';
import { rolloutLines } from '../../text/rollout.ts';
import type { HandlerContext } from '../handler/tab.ts';

interface Loaded {
  readonly rollout: RolloutView | null;
  /** Versions that can get a share, newest first, without the live one. */
  readonly candidates: readonly DeploymentView[];
}

/** Share that the form proposes. */
const firstPercent = '10';

/** Shows the gradual release of a handler, both versions side by side; starts, changes, finishes and aborts it. */
export class ReleaseTab extends Screen {
  readonly crumbs = ['release'];
  readonly app: App;
  readonly handler: HandlerContext;
  readonly loader: Loader<Loaded>;
  readonly scroll: Scroll;

  constructor(handler: HandlerContext) {
    super();
    const { app } = handler;
    this.app = app;
    this.handler = handler;
    this.scroll = new Scroll({ rows: () => app.bodyRows, columns: () => app.size.columns - 2 });
    this.loader = app.loader(
      (signal) => this.#load(signal),
      pollMs,
      ({ rollout }) => this.#setLines(rollout),
    );
  }

  async #load(signal: AbortSignal): Promise<Loaded> {
    const { releases } = this.app.client;
    const [rollout, deployments] = await Promise.all([
      releases.rollout(this.handler.name, { signal }),
      releases.deployments(this.handler.name, { signal }),
    ]);
    const candidates = deployments.filter(({ preview, state }) => preview === null && state === 'retired');
    return { rollout, candidates };
  }

  #setLines(rollout: RolloutView | null): void {
    this.scroll.set(rollout === null ? [] : rolloutLines(rollout, Date.now(), this.app.size.columns - 4));
  }

  override show(): void {
    this.loader.start();
  }

  override hide(): void {
    this.loader.stop();
  }

  override resize(): void {
    if (this.loader.data !== null) this.#setLines(this.loader.data.rollout);
  }

  override status(): Status {
    return loaderStatus(this.loader) ?? this.scroll.status();
  }

  bindings(): readonly Binding[] {
    if (this.slot.open !== null) return this.slot.bindings();
    const { data } = this.loader;
    const reload = { keys: ['r'], help: 'load again', run: () => this.loader.refresh() };
    if (data === null) return [reload];
    const { rollout, candidates } = data;
    if (rollout === null) {
      if (candidates.length === 0) return [reload];
      const help = 'give a version a share of the calls';
      return [
        { needs: 'putRollout', keys: ['s'], label: 'start', help, run: () => this.#askStart(candidates) },
        reload,
      ];
    }
    return [
      {
        needs: 'putRollout',
        keys: ['c'],
        label: 'change share',
        help: 'change the share',
        run: () => this.#askShare(rollout),
      },
      {
        needs: 'finishRollout',
        keys: ['f'],
        label: 'finish',
        help: 'let all calls go to the new version',
        run: () => this.#askFinish(rollout),
      },
      {
        needs: 'abortRollout',
        keys: ['a'],
        label: 'abort',
        help: 'let all calls go to the version before',
        run: () => this.#askAbort(rollout),
      },
      reload,
      ...this.scroll.bindings(),
    ];
  }

  #askStart(candidates: readonly DeploymentView[]): void {
    const versions = candidates.slice(0, 10).map(({ number }) => `v${number}`);
    this.slot.ask({
      title: 'Give a version a share of the calls',
      verb: 'start',
      notes: [
        `Versions that can get one: ${versions.join(', ')}${candidates.length > versions.length ? ', …' : ''}`,
        'Callers keep their version; it is aborted by itself when too many calls of the new one fail.',
      ],
      fields: [
        { label: 'Version', value: versions[0] ?? '' },
        { label: 'Percent of the callers', value: firstPercent },
      ],
      submit: (form) => void this.#start(form, numberOf(form.value('Version').replace(/^v/, ''))),
    });
  }

  #askShare({ to, percent }: RolloutView): void {
    this.slot.ask({
      title: `Share of v${to}`,
      verb: 'change',
      notes: ['A share that grows takes callers over and sends none back.'],
      fields: [{ label: 'Percent of the callers', value: String(percent) }],
      submit: (form) => void this.#start(form, to),
    });
  }

  async #start(form: Form, number: number | null): Promise<void> {
    const percent = numberOf(form.value('Percent of the callers').replace(/%$/, ''));
    if (number === null) return this.app.say('error', 'the version is a number such as v7; nothing was changed');
    if (percent === null || percent < 1 || percent > 99)
      return this.app.say('error', 'the share is a number from 1 to 99; nothing was changed');
    await this.#run(`giving v${number} ${percent} %`, async (signal) => {
      await this.app.client.releases.setRollout(this.handler.name, { number, percent }, { signal });
      this.slot.close();
      return `v${number} gets ${percent} % of the calls`;
    });
  }

  #askFinish({ from, to }: RolloutView): void {
    this.app.ask({
      kind: 'confirm',
      title: `Let all calls go to v${to}?`,
      lines: [`v${to} is live then, v${from} is retired. A rollback brings it back.`],
      verb: 'finish',
      run: () =>
        void this.#run(`finishing, all calls to v${to}`, async (signal) => {
          await this.app.client.releases.finishRollout(this.handler.name, { signal });
          return `all calls go to v${to}`;
        }),
    });
  }

  #askAbort({ from, to }: RolloutView): void {
    this.app.ask({
      kind: 'confirm',
      title: `Take the calls from v${to}?`,
      lines: [`All calls go to v${from} again. Calls that run go on where they are.`],
      verb: 'abort',
      run: () =>
        void this.#run(`aborting, all calls to v${from}`, async (signal) => {
          await this.app.client.releases.abortRollout(this.handler.name, { signal });
          return `all calls go to v${from}`;
        }),
    });
  }

  /** Runs an action that returns what to say, then loads again. */
  #run(step: string, work: (signal: AbortSignal) => Promise<string>): Promise<void> {
    return runChange(this.app, step, work, () => {
      this.loader.refresh();
      this.handler.handler.refresh();
    });
  }
}

function numberOf(text: string): number | null {
  return /^\d{1,15}$/.test(text.trim()) ? Number(text) : null;
}
