/** The tabs of a handler: their names in order, and the part of the screen that a tab knows. */
import type { HandlerView } from '../../../src/protocol/nouns.ts';
import type { App } from '../../frame/app.ts';
import type { Loader } from '../../frame/loader.ts';

/** Names in the order of the tab bar. tabs.ts has one page for each name. */
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

/** Returns the digit that opens a tab. */
export function tabKey(tab: TabName): string {
  return String(tabNames.indexOf(tab) + 1);
}

export interface HandlerContext {
  readonly app: App;
  /** Name of the handler. */
  readonly name: string;
  /** The handler's state and live version, loaded repeatedly. */
  readonly handler: Loader<HandlerView>;
  switchTo(tab: TabName): void;
  openInvocation(id: string): void;
}
