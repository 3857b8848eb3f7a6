/** The command section of a push: how much of it is read. */
import { expect, it } from 'vitest';
import type { GitBody } from '../../../src/control/git/git-body.ts';
import { flushPkt, pktLine } from '../../../src/control/git/pkt-line.ts';
import { CommandSection } from '../../../src/control/git/push-commands.ts';

const oid = 'a'.repeat(40);
const command = (n: number) => pktLine(`${oid} ${oid} refs/heads/b${n}`);

/** Reads `chunks`; returns the error's code, or the number of commands. */
async function read(chunks: readonly Buffer[], limits: { readonly commandBytes: number; readonly refs: number }) {
  const left = [...chunks];
  const body = { read: async () => left.shift() ?? null } as unknown as GitBody;
  const result = await new CommandSection()
    .read(body, { ...limits, commandsMs: 600_000 })
    .then((commands) => commands?.updates.length ?? null)
    .catch((error: { readonly code: string }) => error.code);
  return { result, unread: left.length };
}

it('is refused before its end where it has more bytes than it may, and where it has more refs', async () => {
  const bytes = command(0).length;
  const five = Array.from({ length: 5 }, (_, n) => command(n));
  expect(await read([...five, flushPkt], { commandBytes: 5 * bytes, refs: 5 })).toEqual({ result: 5, unread: 0 });
  expect(await read([...five, flushPkt], { commandBytes: 5 * bytes - 1, refs: 5 })).toEqual({
    result: 'limit_exceeded',
    unread: 1,
  });
  expect(await read([...five, flushPkt], { commandBytes: 5 * bytes, refs: 4 })).toMatchObject({
    result: 'limit_exceeded',
  });
});
