/**
 * Repeats a search for log lines until it is complete: the server ends a long search at its limit and says where to
 * continue.
 */

import type { LogPage } from '../../src/protocol/ports.ts';
import type { CallOptions } from './api.ts';
import type { Client, LogQuery } from './client.ts';

/** Number of requests: the server searches 32 MiB for each one, and keeps 128 MiB of a handler. */
const answersMax = 8;

/**
 * Resolves to the lines that match `query`, at most `query.limit`, as one page. `stopped`: true when not all lines have
 * been searched after `answersMax` requests.
 */
export async function searchLogs(
  client: Client,
  name: string,
  query: LogQuery & { readonly limit: number },
  options?: CallOptions,
): Promise<LogPage> {
  let page = await client.logs(name, query, options);
  for (let answers = 1; page.stopped && page.lines.length < query.limit && answers < answersMax; answers += 1) {
    const limit = query.limit - page.lines.length;
    if (query.after === undefined) {
      const { before } = page;
      if (before === null) break;
      const next = await client.logs(name, { ...query, before, limit }, options);
      page = { ...next, lines: [...next.lines, ...page.lines], cursor: page.cursor };
    } else {
      const next = await client.logs(name, { ...query, after: page.cursor, limit }, options);
      const expired = page.expired + next.expired;
      page = { ...next, lines: [...page.lines, ...next.lines], before: page.before, expired };
    }
  }
  return page;
}
