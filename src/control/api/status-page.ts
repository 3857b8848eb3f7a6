/** `/status`: tells everybody whether this server can serve, without names, counts or addresses of anybody. */
import { escapeHtml } from '../book/html.ts';

export interface ServerStatus {
  /** Reasons for which the server cannot serve at the moment; empty when it can. */
  readonly notReady: readonly string[];
  readonly version: string;
  /** Version of Node. */
  readonly node: string;
  readonly database: 'sqlite' | 'postgres';
  /** Seconds since control's start. */
  readonly uptimeS: number;
}

/** Returns the status as JSON, for programs. */
export function statusJson({ notReady, ...facts }: ServerStatus): object {
  return { ready: notReady.length === 0, ...(notReady.length === 0 ? {} : { why: notReady }), ...facts };
}

/** Returns the body of the page. */
export function statusHtml(status: ServerStatus): string {
  const { notReady } = status;
  const rows = [
    ['Trisiel', status.version],
    ['Node.js', status.node],
    ['database', status.database === 'sqlite' ? 'SQLite' : 'PostgreSQL'],
    ['up for', durationText(status.uptimeS)],
  ] as const;
  const why = notReady.map((reason) => `<li>${escapeHtml(reason)}`).join('\n');
  return [
    `<nav aria-label="Trisiel"><a href="/">Trisiel</a></nav>\n<main>`,
    `<h1>${notReady.length === 0 ? 'This server is ready' : 'This server is not ready'}</h1>`,
    notReady.length === 0 ? '<p>It takes pushes and its functions are served.' : `<ul>\n${why}\n</ul>`,
    '<table>',
    ...rows.map(([name, value]) => `<tr><th scope="row">${name}<td>${escapeHtml(value)}`),
    '</table>\n</main>',
  ].join('\n');
}

/** Returns seconds as text of at most two units: `3 days 4 h`. */
export function durationText(seconds: number): string {
  const units = [
    ['days', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => seconds >= length);
  if (first < 0) return '0 s';
  let rest = seconds;
  const words: string[] = [];
  for (const [name, length] of units.slice(first, first + 2)) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) words.push(`${count} ${count === 1 && name === 'days' ? 'day' : name}`);
  }
  return words.join(' ');
}
