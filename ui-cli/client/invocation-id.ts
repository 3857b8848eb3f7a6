/** Finds invocations by the ids that people have: whole ones, and the short ones of log lines. */
import { PlatformError } from '../../src/protocol/errors.ts';
import type { Client } from './client.ts';

/** Where a short id is looked for: in this many of the newest invocations, then of the newest log lines. */
const searched = { invocations: 500, lines: 1_000 } as const;

/** Returns whether `word` has the form of an id, `9bf40d90db40-1`, or of the end of one, `90db40-1`. */
export function looksLikeId(word: string): boolean {
  return /^[0-9a-f]{1,12}-\d+$/.test(word);
}

/**
 * Returns the whole id of the invocation of `handler` whose id is `printed` or ends with it. A whole id, or one that is
 * found nowhere, is returned unchanged. Throws `conflict` when several invocations match.
 */
export async function findInvocationId(client: Client, handler: string, printed: string): Promise<string> {
  if (/^[0-9a-f]{12}-\d+$/.test(printed)) return printed;
  const records = await client.invocations(handler, { limit: searched.invocations });
  const ids = records.map(({ id }) => id);
  if (ids.includes(printed)) return printed;
  let found = ids.filter((id) => id.endsWith(printed));
  if (found.length === 0) {
    const { lines } = await client.logs(handler, { limit: searched.lines });
    found = [...new Set(lines.map(({ invocation }) => invocation).filter((id) => id.endsWith(printed)))];
  }
  if (found.length > 1)
    throw new PlatformError('conflict', `${printed} is the end of ${found.length} ids`, {
      details: found.slice(0, 10),
    });
  return found[0] ?? printed;
}
