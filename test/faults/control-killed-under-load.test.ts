/**
 * kill -9 of control at random moments of pushes, kv writes, messages, log lines and calls of functions: what was
 * acknowledged is there, the database is whole, its totals are right, and what is live is what git has.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { afterAll, describe, expect, test } from 'vitest';
import { type Database, type DatabaseLocation, openDatabase } from '../../src/control/db/database.ts';
import { OrphanRecord } from '../../src/control/fleet/orphan-record.ts';
import { onEachDatabase } from '../support/database.ts';
import {
  api,
  call,
  commit,
  createUser,
  git,
  makeRepo,
  push,
  remoteUrl,
  removeTemporaryFolders,
  startPlatform,
  type TestPlatform,
  type TestUser,
} from '../support/e2e.ts';
import { assemble } from '../support/e2e-guests.ts';
import { startDoor } from '../support/git-platform.ts';
import { lostLines, storedLines } from '../support/logs.ts';
import { randomOf } from '../support/random.ts';
import { cwaGuest } from '../support/wat.ts';

const program = fileURLToPath(new URL('../support/busy-control.ts', import.meta.url));
/** The database does the same for both; SQLite, whose process is the one that is killed, gets most. */
const killsOf = (dialect: string) => Number(process.env.KILLS ?? (dialect === 'sqlite' ? 24 : 8));
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));

interface Acknowledged {
  /** Key -> the last number that was acknowledged for it. */
  readonly kv: Map<string, number>;
  readonly queue: Set<number>;
  readonly log: Set<number>;
}

onEachDatabase('control killed under load', (dialect) => {
  afterAll(removeTemporaryFolders);
  const kills = killsOf(dialect.name);

  test(`at ${kills} random moments loses nothing that it acknowledged`, async () => {
    process.stderr.write(`control killed under load, ${dialect.name}: SEED=${seed}\n`);
    const random = randomOf(seed);
    const store = await dialect.temporary();
    const dataFolder = await mkdtemp(join(tmpdir(), 'trisiel-killed-'));
    const hello = await readFile(new URL('../../fixtures/guests/cwa/hello.wasm', import.meta.url));
    const repo = await makeRepo({ 'hello.wasm': hello });
    const acknowledged: Acknowledged = { kv: new Map(), queue: new Set(), log: new Set() };
    let next = 0;
    try {
      for (let kill = 0; kill < kills; kill += 1) {
        next = await oneLife({
          dataFolder,
          location: store.location,
          first: next,
          until: 1 + random(150),
          repo,
          acknowledged,
        });
        await verify({ dataFolder, location: store.location, acknowledged });
      }
    } finally {
      await store.close();
      await rm(dataFolder, { recursive: true, force: true });
    }
    // Something of each kind was at stake.
    expect(Math.min(acknowledged.kv.size, acknowledged.queue.size, acknowledged.log.size)).toBeGreaterThan(0);
  }, 1_800_000);
});

/** Runs control until `until` things were acknowledged, with pushes beside, and kills it. Returns the next number. */
async function oneLife(options: {
  readonly dataFolder: string;
  readonly location: DatabaseLocation;
  readonly first: number;
  readonly until: number;
  readonly repo: string;
  readonly acknowledged: Acknowledged;
}): Promise<number> {
  const { acknowledged, repo } = options;
  const args = [program, options.dataFolder, JSON.stringify(options.location), String(options.first)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  let highest = options.first;
  let count = 0;
  let pushing: Promise<void> = Promise.resolve();
  let isKilled = false;
  const pushAll = async (url: string, token: string): Promise<void> => {
    const address = new URL(`${url}/pushed.git`);
    address.username = 'x';
    address.password = token;
    for (let n = 0; !isKilled; n += 1) {
      await commit(repo, {
        'note.txt': `${options.first} ${n}`,
        'wasmcloud.toml': `[env]\nN = "${options.first}.${n}"\n`,
      });
      await git(repo, 'push', address.href, 'main');
    }
  };
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('{')) {
      const { url, token } = JSON.parse(line) as { url: string; token: string };
      pushing = pushAll(url, token);
      continue;
    }
    const [kind, text] = line.split(' ');
    const n = Number(text);
    highest = Math.max(highest, n);
    if (kind === 'kv') acknowledged.kv.set(`k${n % 20}`, n);
    else if (kind === 'queue') acknowledged.queue.add(n);
    else acknowledged.log.add(n);
    count += 1;
    if (count === options.until) {
      isKilled = true;
      child.kill('SIGKILL');
    }
  }
  expect(await ended).toEqual([null, 'SIGKILL']);
  await pushing;
  // Well above what was begun and not acknowledged.
  return highest + 1_000;
}

/** A new control on the same data: as after a restart. */
async function verify(options: {
  readonly dataFolder: string;
  readonly location: DatabaseLocation;
  readonly acknowledged: Acknowledged;
}): Promise<void> {
  const { acknowledged, dataFolder, location } = options;
  const platform = await startDoor({ dataFolder, database: location });
  const { db } = platform;
  try {
    if ('file' in location) {
      expect((await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db)).rows).toEqual([
        { integrity_check: 'ok' },
      ]);
      expect((await sql`pragma foreign_key_check`.execute(db)).rows).toEqual([]);
    }
    await verifyStored(db, acknowledged);
    const pushed = await platform.handlers.find('pushed');
    if (pushed !== null) {
      const states = await db.selectFrom('deployments').select('state').where('handler_id', '=', pushed.id).execute();
      expect(states.filter(({ state }) => state === 'staged')).toEqual([]);
      const live = await platform.deployments.store.live(pushed.id);
      const refs = await platform.repositories.refs(pushed.id);
      expect(states.filter(({ state }) => state === 'live')).toHaveLength(live === null ? 0 : 1);
      expect(refs.get('refs/heads/main')).toBe(live?.commit);
    }
  } finally {
    await platform.close();
  }
}

async function verifyStored(db: Database, acknowledged: Acknowledged): Promise<void> {
  const numberOf = (bytes: Uint8Array) => Number(new TextDecoder().decode(bytes));
  const values = await db.selectFrom('kv').select(['key', 'value']).execute();
  const stored = new Map(values.map(({ key, value }) => [key, numberOf(value)]));
  // A later write of the same key may have been done and not acknowledged.
  for (const [key, n] of acknowledged.kv) expect(stored.get(key), key).toBeGreaterThanOrEqual(n);
  const messages = await db.selectFrom('messages').select(['body', 'position']).execute();
  const published = new Set(messages.map(({ body }) => numberOf(body)));
  expect([...acknowledged.queue].filter((n) => !published.has(n))).toEqual([]);
  const lines = (await storedLines(db)).filter(({ stream }) => stream === 'log');
  const logged = new Set(lines.map(({ seq }) => seq));
  expect([...acknowledged.log].filter((n) => !logged.has(n))).toEqual([]);
  expect(new Set(lines.map(({ cursor }) => cursor)).size).toBe(lines.length);
  const totals = await db.selectFrom('storage_totals').select(['kind', 'items', 'bytes']).orderBy('kind').execute();
  const bytesOf = (all: readonly Uint8Array[]) => all.reduce((sum, { length }) => sum + length, 0);
  expect(totals).toEqual(
    [{ kind: 'kv', items: values.length, bytes: bytesOf(values.map(({ value }) => value)) }].filter(
      ({ items }) => items > 0,
    ),
  );
  const queued = await db.selectFrom('message_totals').select(['items', 'bytes']).execute();
  expect(queued).toEqual(
    [{ items: messages.length, bytes: bytesOf(messages.map(({ body }) => body)) }].filter(({ items }) => items > 0),
  );
}

/** Writes the query to the log, stores it under itself in kv, and answers with it when it is stored. */
const storesQuery = cwaGuest({
  data: ['(data (i32.const 0) "QUERY_STRING")', '(data (i32.const 1016) "kv://b/k")'],
  body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 64)))
    (call $log (i32.const 6) (i32.const 1024) (local.get $n))
    (local.set $fd (call $open (i32.const 1016) (i32.add (local.get $n) (i32.const 8))))
    (if (i32.lt_s (local.get $fd) (i32.const 0)) (then (return (i32.const 1))))
    (if (i32.lt_s (call $write (local.get $fd) (i32.const 1024) (local.get $n)) (i32.const 0)) (then (return (i32.const 2))))
    (if (i32.lt_s (call $flush (local.get $fd)) (i32.const 0)) (then (return (i32.const 3))))
    (drop (call $write (call $stdout) (i32.const 1024) (local.get $n)))`,
});

describe('control killed under calls of functions', () => {
  afterAll(removeTemporaryFolders);
  // A life is a whole platform here, which takes seconds to start.
  const kills = Number(process.env.KILLS ?? 6);
  const clients = 4;

  test(`at ${kills} random moments loses no value of kv, and no log line without a mark`, async () => {
    process.stderr.write(`control killed under calls: SEED=${seed}\n`);
    const random = randomOf(seed + 1);
    let platform = await startPlatform({ TRISIEL_GRACE_S: '600' });
    const user = await createUser(platform);
    const stores = await makeRepo({ 'a.wasm': assemble(storesQuery) });
    expect((await push(platform, user, stores, 'stores')).status).toBe(0);
    const acknowledged: string[] = [];
    const failures = new Map<string, number>();
    const watchers = new Set<() => void>();
    let isOver = false;
    let next = 0;
    const calling = Array.from({ length: clients }, async () => {
      while (!isOver) {
        const n = `n${next}`;
        next += 1;
        const { status, body } = await call(platform, 'stores', { path: `/?${n}` });
        if (status === 200 && body === n) acknowledged.push(n);
        else failures.set(`${status}`, (failures.get(`${status}`) ?? 0) + 1);
        for (const wake of watchers) wake();
        watchers.clear();
        // As one who is told to come back later.
        if (status === 503) await after(100);
      }
    });
    const repo = await makeRepo({ 'a.wasm': assemble(storesQuery) });
    const pushing = pushUntil(
      () => isOver,
      () => platform,
      user,
      repo,
    );
    const runners = new Set<number>();
    for (let kill = 0; kill < kills; kill += 1) {
      const until = acknowledged.length + 1 + random(150);
      while (acknowledged.length < until) await new Promise<void>((resolve) => watchers.add(resolve));
      for (const pid of runnersOf(platform)) runners.add(pid);
      const closed = once(platform.child, 'close');
      platform.child.kill('SIGKILL');
      await closed;
      await verifyWhole(platform);
      platform = await startPlatform({
        ...platform.env,
        TRISIEL_PORT: new URL(platform.controlUrl).port,
        TRISIEL_RUN_PORT: new URL(platform.runUrl).port,
      });
    }
    isOver = true;
    await Promise.all([...calling, pushing]);
    // What needs control is refused with 503 while there is none; nothing else fails.
    expect([...failures.keys()].filter((status) => status !== '503')).toEqual([]);
    // Those of killed controls hand over what they still have, and end.
    while ([...runners].some(isAlive)) await after(50);
    expect(await platform.stop()).toBe(0);
    await verifyCalls(platform, acknowledged);
    await verifyPushed(platform, user);
  }, 1_800_000);
});

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

/** Pushes one version after the other; control may go away meanwhile. */
async function pushUntil(
  isOver: () => boolean,
  platform: () => TestPlatform,
  user: TestUser,
  repo: string,
): Promise<void> {
  for (let n = 0; !isOver(); n += 1) {
    await commit(repo, { 'wasmcloud.toml': `[env]\nN = "${n}"\n` });
    await git(repo, 'push', remoteUrl(platform(), user, 'pushed'), 'main');
  }
}

async function verifyWhole({ dataFolder }: TestPlatform): Promise<void> {
  const db = await openDatabase({ file: join(dataFolder, 'trisiel.db') });
  try {
    const check = await sql<{ integrity_check: string }>`pragma integrity_check`.execute(db);
    expect(check.rows).toEqual([{ integrity_check: 'ok' }]);
    expect((await sql`pragma foreign_key_check`.execute(db)).rows).toEqual([]);
  } finally {
    await db.close();
  }
}

/** Every call that was answered has its value and its line, or the log tells of as many lost lines as are missing. */
async function verifyCalls({ dataFolder }: TestPlatform, acknowledged: readonly string[]): Promise<void> {
  const db = await openDatabase({ file: join(dataFolder, 'trisiel.db') });
  try {
    const values = await db.selectFrom('kv').select(['key', 'value']).execute();
    const stored = new Map(values.map(({ key, value }) => [key, Buffer.from(value).toString()]));
    expect(acknowledged.filter((n) => stored.get(`k${n}`) !== n)).toEqual([]);
    expect(await lostLines(db, acknowledged, /^n\d+$/)).toEqual({ missing: 0, twice: 0 });
  } finally {
    await db.close();
  }
}

/** What is live is what git has. */
async function verifyPushed(stopped: TestPlatform, user: TestUser): Promise<void> {
  const platform = await startPlatform(stopped.env);
  const { stdout } = await git(stopped.dataFolder, 'ls-remote', remoteUrl(platform, user, 'pushed'), 'refs/heads/main');
  const { body } = await api(platform, user, 'GET', '/handlers/pushed/deployments');
  const live = (body as { deployments: { state: string; commit: string }[] }).deployments.filter(
    ({ state }) => state === 'live',
  );
  expect(live.map(({ commit }) => commit)).toEqual([stdout.split('\t')[0]]);
  expect(await platform.stop()).toBe(0);
}
