/** Waits for the record of an invocation that has just answered. */
import { setTimeout } from 'node:timers/promises';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { InvocationRecord, LogLine } from '../../src/protocol/nouns.ts';
import type { Client } from './client.ts';

/** Milliseconds of the pauses before the requests: the record arrives after the answer. */
const askAfterMs = [50, 100, 200, 400, 800, 1_500] as const;
/** Log lines that are returned with the record. */
const linesMax = 200;

/** Resolves to the record and its log lines; null when none arrives within 3 s. */
export async function awaitRecord(
  client: Client,
  { handler, id, signal }: { readonly handler: string; readonly id: string; readonly signal?: AbortSignal | undefined },
): Promise<{ readonly record: InvocationRecord; readonly lines: readonly LogLine[] } | null> {
  for (const waitMs of askAfterMs) {
    await setTimeout(waitMs, undefined, { signal });
    try {
      const record = await client.invocation(handler, id, { signal });
      const { lines } = await client.logs(handler, { invocation: id, limit: linesMax }, { signal });
      return { record, lines };
    } catch (error) {
      if (!(error instanceof PlatformError) || error.code !== 'not_found') throw error;
    }
  }
  return null;
}
