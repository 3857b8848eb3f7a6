/**
 * Queues under kill -9 of control and of runners at random moments: every message is acknowledged, exactly those that
 * always fail are dead letters, two consumers work beside each other. The proof is the output queue: a function prints
 * each message that it gets, and an output is published once for each message. QUEUE_MESSAGES sets how many messages.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { type Database, openDatabase } from '../../src/control/db/database.ts';
import { OrphanRecord } from '../../src/control/fleet/orphan-record.ts';
import { queueLimits } from '../../src/protocol/limits.ts';
import { onEachDatabase } from '../support/database.ts';
import {
  api,
  createUser,
  makeRepo,
  push,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble } from '../support/e2e-guests.ts';
import { randomOf } from '../support/random.ts';

const count = Number(process.env.QUEUE_MESSAGES ?? 2_000);
const kills = Number(process.env.KILLS ?? (count < 10_000 ? 4 : 40));
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Enough that kills alone make no dead letter; few enough that the last retry of a poison message comes soon. */
const maxAttempts = count < 10_000 ? 5 : 6;
const consumers = ['a', 'b'] as const;

/** Prints `mark` and its input, and exits with 0; with 1 where the input begins with p (poison), after a trap for t. */
const worker = (mark: string): Uint8Array =>
  assemble(`(module
    (import "cwa" "io_get_stdin" (func $stdin (result i32)))
    (import "cwa" "io_get_stdout" (func $stdout (result i32)))
    (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
    (import "cwa" "resource_write" (func $write (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "${mark}")
    (func (export "cwa_main") (result i32) (local i32)
      (local.set 0 (call $read (call $stdin) (i32.const 1) (i32.const 64)))
      (if (i32.eq (i32.load8_u (i32.const 1)) (i32.const ${'t'.charCodeAt(0)})) (then unreachable))
      (if (i32.eq (i32.load8_u (i32.const 1)) (i32.const ${'p'.charCodeAt(0)})) (then (return (i32.const 1))))
      (drop (call $write (call $stdout) (i32.const 0) (i32.add (local.get 0) (i32.const 1))))
      (i32.const 0)))`);

/** One message in 500 fails always, by its exit status or by a trap, spread among the others. */
const bodies = Array.from({ length: count }, (_, n) => `${n % 500 === 7 ? 'p' : n % 500 === 257 ? 't' : 'm'}${n}`);
const poison = bodies.filter((body) => !body.startsWith('m'));

onEachDatabase('queues killed', (dialect) => {
  afterAll(removeTemporaryFolders);

  test(`${count} messages through ${kills} kills: none lost, dead letters exactly those that fail always`, async () => {
    process.stderr.write(`queues killed, ${dialect.name}: SEED=${seed} QUEUE_MESSAGES=${count} KILLS=${kills}\n`);
    const random = randomOf(seed);
    const store = await dialect.temporary();
    let platform = await startPlatform('url' in store.location ? { TRISIEL_DATABASE: store.location.url } : {});
    const runners = new Set<number>();
    const db = await openDatabase(
      'url' in store.location ? store.location : { file: join(platform.dataFolder, 'trisiel.db') },
    );
    try {
      const ada = await createUser(platform, 'ada');
      const manifest = `[[queue]]\nname = "work"\nconcurrency = 16\nmax-attempts = ${maxAttempts}\noutput = "sent"\n`;
      for (const mark of consumers) {
        const repo = await makeRepo({ 'a.wasm': worker(mark), 'wasmcloud.toml': manifest });
        const pushed = await push(platform, ada, repo, `worker-${mark}`);
        expect(pushed.status, pushed.stderr).toBe(0);
      }
      const publishing = publishAll(() => platform, ada);
      const good = count - poison.length;
      for (let kill = 1; kill <= kills; kill += 1) {
        // Somewhere between the last kill and this part of the work.
        await reached(db, Math.floor((good * (kill - 1 + random(1_000) / 1_000)) / (kills + 1)));
        for (const pid of runnersOf(platform)) runners.add(pid);
        if (kill % 2 === 0) {
          const pids = runnersOf(platform);
          const pid = pids[random(Math.max(1, pids.length))];
          // It may have ended by itself since.
          if (pid !== undefined && isAlive(pid)) process.kill(pid, 'SIGKILL');
        } else {
          const closed = once(platform.child, 'close');
          platform.child.kill('SIGKILL');
          await closed;
          platform = await startPlatform({
            ...platform.env,
            TRISIEL_PORT: new URL(platform.controlUrl).port,
            TRISIEL_RUN_PORT: new URL(platform.runUrl).port,
          });
        }
      }
      await publishing;
      await drained(platform, ada);
      await verify(db);
      // What the platform says is what the tables say.
      expect((await api(platform, ada, 'GET', '/queues/work')).body).toMatchObject({
        messages: { ready: 0, inflight: 0, dead: poison.length },
      });
      expect(await platform.stop()).toBe(0);
      while ([...runners].some(isAlive)) await after(50);
    } finally {
      await db.close();
      await platform.stop();
      await store.close();
    }
  }, 3_600_000);
});

/** Publishes all messages in batches; a batch whose answer did not come is published again, under the same keys. */
async function publishAll(platform: () => TestPlatform, user: TestUser): Promise<void> {
  const size = Math.min(queueLimits.batch, Math.ceil(count / 10));
  for (let at = 0; at < count; at += size) {
    const lines = bodies.slice(at, at + size).map((text) => JSON.stringify({ text, key: text }));
    const send = () =>
      fetch(`${platform().controlUrl}/api/v1/queues/work/messages`, {
        method: 'POST',
        headers: { authorization: `Bearer ${user.token}`, 'content-type': 'application/x-ndjson' },
        body: lines.join('\n'),
      }).then(statusOf, () => null);
    // Null: control was killed; 503: it is starting.
    for (let status = await send(); status !== 201; status = await send()) {
      expect([null, 503]).toContain(status);
      await after(100);
    }
  }
}

async function statusOf(answer: Response): Promise<number> {
  await answer.arrayBuffer();
  return answer.status;
}

/** Resolves when so many outputs have been published. */
async function reached(db: Database, outputs: number): Promise<void> {
  for (;;) {
    const row = await db.reader
      .selectFrom('queues')
      .select('last_position')
      .where('name', '=', 'sent')
      .executeTakeFirst();
    if (Number(row?.last_position ?? 0) >= outputs) return;
    await after(20);
  }
}

/** Resolves when no message waits or is with a consumer. */
async function drained(platform: TestPlatform, user: TestUser): Promise<void> {
  for (;;) {
    const { body } = await api(platform, user, 'GET', '/queues/work');
    const { messages } = body as { readonly messages: Readonly<Record<string, number>> };
    if (messages.ready === 0 && messages.inflight === 0) return;
    await after(200);
  }
}

async function verify(db: Database): Promise<void> {
  const bodiesOf = async (queue: string, state: 'ready' | 'dead'): Promise<readonly string[]> => {
    const rows = await db
      .selectFrom('messages')
      .innerJoin('queues', 'queues.id', 'messages.queue_id')
      .select('body')
      .where('name', '=', queue)
      .where('state', '=', state)
      .execute();
    return rows.map(({ body }) => Buffer.from(body).toString());
  };
  const sent = await bodiesOf('sent', 'ready');
  const got = new Set(sent.map((body) => body.slice(1)));
  expect(got.size, 'an output that was published twice').toBe(sent.length);
  expect(
    bodies.filter((body) => body.startsWith('m') && !got.has(body)),
    'lost',
  ).toEqual([]);
  expect(sent).toHaveLength(count - poison.length);
  expect([...(await bodiesOf('work', 'dead'))].sort()).toEqual([...poison].sort());
  const tries = await db.selectFrom('messages').select(['attempts', 'reason']).where('state', '=', 'dead').execute();
  expect(new Set(tries.map(({ attempts }) => Number(attempts)))).toEqual(new Set([maxAttempts]));
  expect(tries.filter(({ reason }) => reason === null)).toEqual([]);
  // Both worked; how evenly, without kills: test/e2e/queues.test.ts.
  for (const mark of consumers) expect(sent.some((body) => body.startsWith(mark))).toBe(true);
  const totals = await db.selectFrom('message_totals').select(['items', 'bytes']).executeTakeFirstOrThrow();
  const stored = await db
    .selectFrom('messages')
    .select(({ fn }) => [fn.countAll<number>().as('items'), fn.sum<number>(fn('length', ['body'])).as('bytes')])
    .executeTakeFirstOrThrow();
  expect([Number(totals.items), Number(totals.bytes)]).toEqual([Number(stored.items), Number(stored.bytes)]);
}

function runnersOf(platform: TestPlatform): readonly number[] {
  return new OrphanRecord(join(platform.dataFolder, 'runners.json')).orphans();
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
