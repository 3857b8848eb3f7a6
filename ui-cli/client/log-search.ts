/** Asks for log lines until the question is answered: the server ends a long search at its limit and says where to go on. */
import type { CallOptions, Client, LogQuery } from './client.ts';
import type { LogPage } from './views.ts';

/** Answers asked for at most: the server looks through 32 MiB for each, and keeps 128 MiB of a handler. */
const answersMax = 8;

/**
 * Resolves to the lines that fit `query`, at most `query.limit`, as one page. `stopped` is true where not all lines have
 * been looked at after `answersMax` answers.
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
