/** One handler: tabs, each a screen of its own. */

import type { PlatformError } from '../../src/protocol/errors.ts';
import type { HandlerView } from '../../src/protocol/nouns.ts';
import type { App } from './app.ts';
import type { Binding } from './bindings.ts';
import { type Loader, pollMs } from './loader.ts';
import { Screen, type Status, type TypingTarget } from './screen.ts';
import { loaderFailure } from './status.ts';

export const tabNames = [
  'overview',
  'logs',
  'deployments',
  'env',
  'limits',
  'invocations',
  'invoke',
  'danger',
] as const;
export type TabName = (typeof tabNames)[number];

export function isTabName(name: string): name is TabName {
  return tabNames.some((tab) => tab === name);
}

export type MakeTab = (app: App, handler: HandlerScreen, tab: TabName) => Screen;

export class HandlerScreen extends Screen {
  readonly name: string;
  override readonly headRows = 1;
  /** Its state and live version; every tab may show it. */
  readonly handler: Loader<HandlerView>;
  tabName: TabName;
  readonly #makeTab: MakeTab;
  readonly #tabs = new Map<TabName, Screen>();
  #shown = false;

  constructor(app: App, options: { readonly name: string; readonly tab: TabName; readonly makeTab: MakeTab }) {
    super(app);
    this.name = options.name;
    this.tabName = options.tab;
    this.#makeTab = options.makeTab;
    this.handler = app.loader((signal) => app.client.handler(this.name, { signal }), 2 * pollMs);
  }

  get crumbs(): readonly string[] {
    return [this.name, ...this.tab.crumbs];
  }

  get tab(): Screen {
    const known = this.#tabs.get(this.tabName);
    if (known !== undefined) return known;
    const tab = this.#makeTab(this.app, this, this.tabName);
    this.#tabs.set(this.tabName, tab);
    return tab;
  }

  switchTo(tab: TabName): void {
    if (tab === this.tabName) return;
    this.tab.hide();
    this.tabName = tab;
    this.tab.resize();
    if (this.#shown) this.tab.show();
    this.app.changed();
  }

  override show(): void {
    this.#shown = true;
    this.handler.start();
    this.tab.show();
  }

  override hide(): void {
    this.#shown = false;
    this.handler.stop();
    this.tab.hide();
  }

  override resize(): void {
    this.tab.resize();
  }

  override liveVersion(): string | null {
    const view = this.handler.data;
    if (view === null) return null;
    return view.version === null ? view.state : `${view.state} v${view.version}`;
  }

  override typing(): TypingTarget | null {
    return this.tab.typing();
  }

  override back(): boolean {
    return this.tab.back();
  }

  override failure(): PlatformError | null {
    return loaderFailure(this.handler);
  }

  override status(): Status {
    return this.tab.status();
  }

  bindings(): readonly Binding[] {
    if (this.typing() !== null) return this.tab.bindings();
    return [
      ...this.tab.bindings(),
      { keys: ['tab'], label: 'next tab', help: 'next tab', run: () => this.#step(1) },
      { keys: ['shift-tab'], help: 'tab before', run: () => this.#step(-1) },
      ...tabNames.map((tab, i) => ({ keys: [String(i + 1)], help: `tab ${tab}`, run: () => this.switchTo(tab) })),
    ];
  }

  #step(by: number): void {
    const next = tabNames[(tabNames.indexOf(this.tabName) + by + tabNames.length) % tabNames.length];
    if (next !== undefined) this.switchTo(next);
  }
}
