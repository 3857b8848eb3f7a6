/** The tabs of a handler: their names in order, and the part of the screen that a tab knows. */
import { roleAllows } from '../../../src/protocol/permissions.ts';
import type { HandlerView } from '../../../src/protocol/views.ts';
import type { App } from '../../frame/app.ts';
import type { Binding } from '../../frame/bindings.ts';
import type { Loader } from '../../frame/loader.ts';

/** Key of each tab, in the order of the tab bar. tabs.ts has one page for each name. No tab binds one of these keys. */
const tabKeys = {
  overview: '1',
  logs: '2',
  deployments: '3',
  env: '4',
  limits: '5',
  invocations: '6',
  invoke: '7',
  danger: '8',
  release: '9',
  previews: '0',
  schedules: 'S',
  calls: 'C',
  team: 'T',
  audit: 'A',
  profile: 'F',
  drains: 'H',
} as const;

export type TabName = keyof typeof tabKeys;

/** Names in the order of the tab bar. */
export const tabNames = Object.keys(tabKeys).filter(isTabName);

export function isTabName(name: string): name is TabName {
  return Object.hasOwn(tabKeys, name);
}

/** Returns the key that opens a tab. */
export function tabKey(tab: TabName): string {
  return tabKeys[tab];
}

export interface HandlerContext {
  readonly app: App;
  /** Name of the handler. */
  readonly name: string;
  /** The handler's state and live version, loaded repeatedly. */
  readonly handler: Loader<HandlerView>;
  switchTo(tab: TabName): void;
  openInvocation(id: string): void;
  /** Opens the danger zone of another handler, or of this one under another name, in place of this screen. */
  openRenamed(name: string): void;
}

/** Returns the bindings that the user's role on the handler allows; all of them while the role is not known. */
export function permitted(
  { handler }: Pick<HandlerContext, 'handler'>,
  bindings: readonly Binding[],
): readonly Binding[] {
  return bindings.filter(({ needs }) => needs === undefined || mayDo({ handler }, needs));
}

/** Returns whether the user's role on the handler allows an operation; true while the role is not known. */
export function mayDo({ handler }: Pick<HandlerContext, 'handler'>, needs: NonNullable<Binding['needs']>): boolean {
  const role = handler.data?.role;
  return role === undefined || roleAllows(needs, role);
}

/** Returns the part of the breadcrumb before a tab's own, for a tab that is opened for a preview. */
export function previewCrumbs({ name }: Pick<HandlerContext, 'name'>, preview: OfPreview | null): readonly string[] {
  return preview === null ? [] : [name, 'previews', preview.slug];
}

/** The preview that a screen is about, instead of the handler itself. */
export interface OfPreview {
  readonly branch: string;
  readonly slug: string;
}
