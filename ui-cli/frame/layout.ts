/** Computes the layout of rows, for the app and the components alike. */
import { visible } from '../text/visible.ts';
import { cells, cut, wrap } from '../text/width.ts';
import type { Connection, Message, Size } from './app-options.ts';

/** Part of the app that determines the rows of the body. */
export interface BodyFacts {
  readonly message: Message | null;
  /** Running action, which has a row of its own; null: none. */
  readonly task: object | null;
  /** Whether a filter is typed, in a row of its own. */
  readonly filtering: boolean;
  readonly size: Size;
}

/** Part of the app that the header shows. */
export interface HeaderFacts {
  readonly session: { readonly server: string; readonly token: string | null };
  readonly user: string | null;
  readonly screen: { readonly crumbs: readonly string[] };
  readonly connection: Connection;
  /** State and version of the screen's handler; null: the screen is about no handler. */
  readonly liveVersion: string | null;
  readonly size: Size;
}

export interface MessageRow {
  readonly text: string;
  readonly tone: 'plain' | 'dim' | 'done' | 'warning' | 'error';
}

/** Rows of a message, so that a long error leaves room for the screen. */
const messageRowsMax = 6;

/** Returns the rows above the footer: the message, else the status line. */
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

/**
 * Returns the rows of the body: without header, footer, the rows above the footer and the `headRows` that the screen
 * draws.
 */
export function bodyRows(app: BodyFacts, headRows: number): number {
  const above = messageRows(app).length + (app.task === null ? 0 : 1) + (app.filtering ? 1 : 0);
  return Math.max(1, app.size.rows - 2 - Math.max(1, above) - headRows);
}

/** Returns the breadcrumb (server > user > handler > screen) and the text at its right. */
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
  // Leaves the server out first when space is short.
  const width = () => crumbs.reduce((sum, crumb) => sum + cells(crumb) + 3, 0) + cells(right) + 2;
  if (width() > app.size.columns && crumbs.length > 2) crumbs.splice(0, 1, '…');
  return { crumbs, right };
}
