/** How many rows go where. Pure; the app and the components agree through it. */
import { visible } from '../text/visible.ts';
import { cells, cut, wrap } from '../text/width.ts';
import type { Connection, Message, Size } from './app-options.ts';

/** The part of the app that decides how many rows the body has. */
export interface BodyFacts {
  readonly message: Message | null;
  /** Something under way; it has a row of its own. */
  readonly task: object | null;
  /** A filter is typed in a row of its own. */
  readonly filtering: boolean;
  readonly size: Size;
}

/** The part of the app that the header shows. */
export interface HeaderFacts {
  readonly session: { readonly server: string; readonly token: string | null };
  readonly user: string | null;
  readonly screen: { readonly crumbs: readonly string[] };
  readonly connection: Connection;
  /** State and version of the handler on the screen; null where the screen is about no handler. */
  readonly liveVersion: string | null;
  readonly size: Size;
}

export interface MessageRow {
  readonly text: string;
  readonly tone: 'plain' | 'dim' | 'done' | 'warning' | 'error';
}

/** A long error must not push the screen away. */
const messageRowsMax = 6;

/** What stands above the footer when a person was told something; the status line otherwise. */
export function messageRows(app: Pick<BodyFacts, 'message' | 'size'>): readonly MessageRow[] {
  const { message, size } = app;
  if (message === null) return [];
  const rows = message.lines.flatMap((line) => wrap(line, size.columns - 2));
  const most = Math.min(messageRowsMax, Math.max(1, size.rows - 10));
  return rows.slice(0, most).map((text, i) => ({
    text: cut(text, size.columns - 2),
    tone: message.kind === 'done' ? 'done' : i === 0 ? 'error' : 'plain',
  }));
}

/** Rows of the body: all but header, footer, the rows above the footer and the `headRows` that the screen draws itself. */
export function bodyRows(app: BodyFacts, headRows: number): number {
  const above = messageRows(app).length + (app.task === null ? 0 : 1) + (app.filtering ? 1 : 0);
  return Math.max(1, app.size.rows - 2 - Math.max(1, above) - headRows);
}

/** The breadcrumb (server > user > handler > screen) and what stands at the right of it. */
export function headerParts(app: HeaderFacts): {
  readonly crumbs: readonly string[];
  readonly right: string;
} {
  const server = app.session.server.replace(/^https?:\/\//, '');
  const crumbs = [server, ...(app.user === null ? [] : [app.user]), ...app.screen.crumbs].map(visible);
  const states = { connecting: '○ connecting', online: '● online', offline: '○ offline' } as const;
  const version = app.liveVersion;
  if (app.session.token === null) return { crumbs, right: 'not logged in' };
  const right = `${version === null ? '' : `${version}  `}${states[app.connection]}`;
  // The server is the first thing one can do without.
  const width = () => crumbs.reduce((sum, crumb) => sum + cells(crumb) + 3, 0) + cells(right) + 2;
  if (width() > app.size.columns && crumbs.length > 2) crumbs.splice(0, 1, '…');
  return { crumbs, right };
}
