/** The tabs of a handler: their names in order, and what a tab knows of the screen around it. */
import type { HandlerView } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Loader } from '../../frame/loader.ts';

/** In the order of the tab bar. tabs.ts has one page for each name. */
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

/** The digit that opens a tab. */
export function tabKey(tab: TabName): string {
  return String(tabNames.indexOf(tab) + 1);
}

export interface HandlerContext {
  readonly app: App;
  /** Name of the handler. */
  readonly name: string;
  /** The handler's state and live version, loaded again and again. */
  readonly handler: Loader<HandlerView>;
  switchTo(tab: TabName): void;
  openInvocation(id: string): void;
}
