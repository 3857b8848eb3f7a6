/** Every log line that a function writes is stored or counted, to the line, whatever becomes of control meanwhile. */
import { once } from 'node:events';
import { afterAll, expect, test } from 'vitest';
import type { LogPage } from '../../src/protocol/ports.ts';
import { onEachDatabase } from '../support/database.ts';
import {
  api,
  call,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble } from '../support/e2e-guests.ts';
import { cwaGuest } from '../support/wat.ts';

/** Lines of one call: fewer than the number above which a call's lines are sampled. */
const linesOfCall = 9_000;
const calls = 40;

const writer = cwaGuest({
  data: ['(data (i32.const 0) "Content-Type: text/plain\\n\\nok\\n")', '(data (i32.const 64) "an item was read")'],
  body: `
    (drop (call $write (call $stdout) (i32.const 0) (i32.const 29)))
    (local.set $n (i32.const ${linesOfCall}))
    (loop $more
      (call $log (i32.const 6) (i32.const 64) (i32.const 16))
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $more (local.get $n)))`,
});

afterAll(removeTemporaryFolders);

/** Returns the number of the function's lines in its log, those included whose loss the log tells. */
async function told(platform: TestPlatform, user: TestUser): Promise<number> {
  let count = 0;
  for (let before: number | null | undefined; before !== null; ) {
    const page = before === undefined ? '' : `&before=${before}`;
    const { status, body } = await api(platform, user, 'GET', `/handlers/writer/logs?limit=1000${page}`);
    expect(status, JSON.stringify(body)).toBe(200);
    const { lines, before: next } = body as LogPage;
    for (const { stream, text } of lines)
      count += stream === 'log' ? 1 : Number(/^(\d+) log lines? w\w+ dropped here/.exec(text)?.[1] ?? 0);
    before = next;
  }
  return count;
}

onEachDatabase('log lines of a function that writes more than can be stored', (dialect) => {
  test.each([
    ['control goes on', null],
    ['control is started again', 'SIGTERM'],
    ['control is killed and started again', 'SIGKILL'],
  ] as const)(
    'are stored or counted, each once: %s',
    async (_title, signal) => {
      const database = await dialect.temporary();
      const { location } = database;
      let platform = await startPlatform({
        TRISIEL_RUNNERS: '1',
        ...('url' in location ? { TRISIEL_DATABASE: location.url } : {}),
      });
      const user = await createUser(platform);
      const repo = await makeRepo({ 'a.wasm': assemble(writer), 'wasmcloud.toml': '[logs]\nrequests = false\n' });
      const pushed = await push(platform, user, repo, 'writer');
      expect(pushed.status, pushed.stderr).toBe(0);
      let answered = 0;
      const half = Promise.withResolvers<void>();
      const client = async (): Promise<void> => {
        for (let n = 0; n < calls / 4; n += 1) {
          const { status, body } = await call(platform, 'writer');
          expect([status, body]).toEqual([200, 'ok\n']);
          answered += 1;
          if (answered === calls / 2) half.resolve();
        }
      };
      const clients = Promise.all(Array.from({ length: 4 }, client));
      await Promise.race([half.promise, clients]);
      if (signal !== null) {
        const exited = once(platform.child, 'exit');
        platform.child.kill(signal);
        await exited;
        platform = await startPlatform({
          ...platform.env,
          TRISIEL_PORT: new URL(platform.controlUrl).port,
          TRISIEL_RUN_PORT: new URL(platform.runUrl).port,
        });
      }
      await clients;
      const written = answered * linesOfCall;
      await expect.poll(() => told(platform, user), { timeout: 120_000, interval: 500 }).toBe(written);
      expect(await platform.stop()).toBe(0);
      // Nothing came twice in the end: what the runners still had is stored now.
      platform = await startPlatform({ ...platform.env });
      expect(await told(platform, user)).toBe(written);
      expect(await platform.stop()).toBe(0);
      await database.close();
    },
    300_000,
  );
});
