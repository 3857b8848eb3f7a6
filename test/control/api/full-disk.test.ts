/** The API while SQLite's file cannot grow. */
import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { api, logLine, signUp, startPlatform } from '../../support/api.ts';

test('a full disk refuses writes with 503 and a time to try again; reading goes on; then all is well', async () => {
  const full = await startPlatform();
  try {
    const token = await signUp(full, 'ada');
    await full.handlers.create({ name: 'h', ownerId: (await full.accounts.actorOfToken(token))!.user.id });
    const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(full.db);
    for (const on of [full.db, full.db.relaxed])
      await sql.raw(`pragma max_page_count = ${rows[0]!.page_count}`).execute(on);
    const put = (key: string) => api(full, token, 'PUT', `/handlers/h/env/${key}`, { value: 'x'.repeat(12_000) });
    const answers = [await put('A'), await put('B')];
    expect(answers.at(-1)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(answers.at(-1)!.headers.get('retry-after')).toBe('5');
    // Texts that cannot be packed into less.
    await full.append(Array.from({ length: 500 }, () => logLine('h', randomBytes(750).toString('base64'))));
    expect(full.logs.counters.stored).toBe(0);
    expect((await api(full, token, 'GET', '/handlers/h')).status).toBe(200);
    for (const on of [full.db, full.db.relaxed]) await sql`pragma max_page_count = 1000000`.execute(on);
    expect((await put('B')).status).toBe(200);
    await full.append([logLine('h', 'back')]);
    const { lines } = (await api(full, token, 'GET', '/handlers/h/logs')).body;
    expect(lines.map(({ text }: { text: string }) => text.slice(0, 16))).toEqual(['back', '500 log lines we']);
  } finally {
    await full.close();
  }
});
