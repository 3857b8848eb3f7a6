/** One handler, with tabs, each of which is a screen. */
import type { PlatformError } from '../../../src/protocol/errors.ts';
import type { HandlerView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import { type Loader, pollMs } from '../../frame/loader.ts';
import type { Page } from '../../frame/page.ts';
import { Screen, type Status } from '../../frame/screen.ts';
import { loaderFailure } from '../../frame/status.ts';
import type { TypingTarget } from '../../frame/typing-target.ts';
import { type HandlerContext, permitted, type TabName, tabKey, tabNames } from './tab.ts';
import { tabBar } from './tab-bar.ts';
import { tabs } from './tabs.ts';

export class HandlerScreen extends Screen implements HandlerContext {
  readonly app: App;
  readonly name: string;
  /** The handler's state and live version, for all tabs. */
  readonly handler: Loader<HandlerView>;
  tabName: TabName;
  readonly #openInvocation: (id: string) => void;
  readonly #openRenamed: (name: string) => void;
  readonly #pages = new Map<TabName, Page>();
  #shown = false;

  constructor(
    app: App,
    options: {
      readonly name: string;
      readonly tab: TabName;
      readonly openInvocation: (id: string) => void;
      readonly openRenamed: (name: string) => void;
    },
  ) {
    super();
    this.app = app;
    this.name = options.name;
    this.tabName = options.tab;
    this.#openInvocation = options.openInvocation;
    this.#openRenamed = options.openRenamed;
    this.handler = app.loader((signal) => app.client.handler(this.name, { signal }), 2 * pollMs);
  }

  get crumbs(): readonly string[] {
    return [this.name, ...this.tab.crumbs];
  }

  /** Page of the open tab, made when the tab is first opened, and kept. */
  get tabPage(): Page {
    const known = this.#pages.get(this.tabName);
    if (known !== undefined) return known;
    const made = tabs[this.tabName](this);
    this.#pages.set(this.tabName, made);
    return made;
  }

  get tab(): Screen {
    return this.tabPage.screen;
  }

  override get headRows(): number {
    return tabBar(this.tabName, this.app.size).length;
  }

  openInvocation(id: string): void {
    this.#openInvocation(id);
  }

  openRenamed(name: string): void {
    this.#openRenamed(name);
  }

  /** Shows another tab, and ends the work of the one before. */
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

  override get typesFilter(): boolean {
    return this.tab.typesFilter;
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
      ...permitted(this, this.tab.bindings()),
      { keys: ['tab'], label: 'next tab', help: 'next tab', run: () => this.#step(1) },
      { keys: ['shift-tab'], help: 'tab before', run: () => this.#step(-1) },
      ...tabNames.map((tab) => ({ keys: [tabKey(tab)], help: `tab ${tab}`, run: () => this.switchTo(tab) })),
    ];
  }

  #step(by: number): void {
    const next = tabNames[(tabNames.indexOf(this.tabName) + by + tabNames.length) % tabNames.length];
    if (next !== undefined) this.switchTo(next);
  }
}
