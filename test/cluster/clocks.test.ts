/**
 * A cluster whose machines' clocks are ten minutes apart: of two controls and two nodes, one each is five minutes ahead
 * and one five minutes behind PostgreSQL and NATS. Programs are copies that begin with another clock, runners too.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { PlatformChild } from '../../src/bin/platform-child.ts';
import { TestCluster, type TestNode } from '../support/cluster.ts';
import { logsQuery } from '../support/cluster-guests.ts';
import { api, call, commit, LogTail, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { assemble, printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';
import { copyPrograms, type ProgramCopy } from '../support/program-copy.ts';

const apartMs = 5 * 60_000;
/** Nothing here takes this long, and it is far below the distance of the clocks. */
const soonMs = 2 * 60_000;

/** Takes 4 s for a message: other controls look several times meanwhile. Exits with 1 where it begins with `p`. */
const slow = assemble(`(module
  (import "cwa" "io_get_stdin" (func $stdin (result i32)))
  (import "cwa" "resource_read" (func $read (param i32 i32 i32) (result i32)))
  (import "cwa" "runtime_msleep" (func $sleep (param i32)))
  (memory (export "memory") 1)
  (func (export "cwa_main") (result i32)
    (drop (call $read (call $stdin) (i32.const 64) (i32.const 64)))
    (call $sleep (i32.const 4000))
    (i32.eq (i32.load8_u (i32.const 64)) (i32.const 112))))`);

function copyWithClock(aheadMs: number): Promise<ProgramCopy> {
  const first = { 'serve.ts': 'node:url', 'node.ts': 'node:crypto', 'runner.ts': 'node:v8' };
  const changes = Object.entries(first).map(([file, module]) => ({
    file: `src/bin/${file}`,
    from: `} from '${module}';`,
    to: `} from '${module}';\nimport '../another-clock.ts';`,
  }));
  const clock = `const real = Date;
globalThis.Date = new Proxy(real, {
  construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [real.now() + ${aheadMs}] : given, made),
  get: (target, name, receiver) => (name === 'now' ? () => real.now() + ${aheadMs} : Reflect.get(target, name, receiver)),
});\n`;
  return copyPrograms(changes, { 'src/another-clock.ts': clock });
}

onCluster('a cluster whose clocks are ten minutes apart', () => {
  let cluster: TestCluster;
  const copies: ProgramCopy[] = [];
  beforeAll(async () => {
    const [ahead, behind] = await Promise.all([copyWithClock(apartMs), copyWithClock(-apartMs)]);
    copies.push(ahead, behind);
    cluster = await TestCluster.start({ controls: 2, nodes: 0, programs: [ahead.programs, behind.programs] });
    await cluster.addNode('behind', {}, behind.programs);
    await cluster.addNode('ahead', {}, ahead.programs);
  });
  afterAll(async () => {
    await cluster?.close();
    for (const copy of copies) await copy.remove();
    await removeTemporaryFolders();
  });
  const node = (index: number): TestNode => cluster.nodes[index]!;
  const isNow = (ms: number): boolean => Math.abs(ms - Date.now()) < soonMs;

  test('the programs have these clocks, and what controls store has the time of the database', async () => {
    const logged = await cluster.control(0).logged('"time":');
    expect(Number(/"time":(\d+)/.exec(logged)?.[1]) - Date.now()).toBeGreaterThan(soonMs);
    const repo = await makeRepo({ 'a.wasm': printing('1') });
    for (const index of [0, 1]) {
      await commit(repo, { 'a.wasm': printing(String(index)) });
      const { stderr } = await push(cluster.control(index), cluster.user, repo, 'otter');
      expect(stderr).toContain('live on 2 of 2 nodes');
      for (const one of cluster.nodes) expect((await cluster.call(one, 'otter')).body).toBe(String(index));
    }
    const rows = await cluster.sql<{ created_ms: string }>('select created_ms from deployments');
    expect(rows.map(({ created_ms }) => isNow(Number(created_ms)))).toEqual([true, true]);
  });

  test('a session of one control is good at the other one', async () => {
    for (const [made, used] of [
      [0, 1],
      [1, 0],
    ] as const) {
      const { name } = cluster.user;
      const body = { name, password: 'correct horse battery' };
      const session = await api(cluster.control(made), null, 'POST', '/sessions', body);
      expect(session.status).toBe(201);
      const { token } = session.body as { readonly token: string };
      expect((await api(cluster.control(used), { name, token }, 'GET', '/whoami')).status).toBe(200);
    }
  });

  test('messages are delivered once and in time, those that wait and those that have failed too', async () => {
    const manifest = '[[queue]]\nname = "jobs"\nmax-attempts = 1\n';
    const worker = await makeRepo({ 'a.wasm': slow, 'wasmcloud.toml': manifest });
    expect((await push(cluster.control(), cluster.user, worker, 'worker')).status).toBe(0);
    const publish = async (control: number, body: string, query = ''): Promise<void> => {
      const answer = await fetch(`${cluster.control(control).controlUrl}/api/v1/queues/jobs/messages${query}`, {
        ...{ method: 'POST', body },
        headers: { authorization: `Bearer ${cluster.user.token}`, 'content-type': 'text/plain' },
      });
      expect(answer.status).toBe(201);
    };
    for (let n = 0; n < 6; n += 1) await publish(n % 2, `message ${n}`);
    for (const control of [0, 1]) await publish(control, `later ${control}`, '?delayMs=1000');
    await publish(0, 'poison');
    const states = async () => {
      const rows = await cluster.sql<{ body: Buffer; state: string; attempts: number; reason: string | null }>(
        'select body, state, attempts, reason from messages',
      );
      return rows
        .map(({ body, state, attempts, reason }) => `${body}: ${state} ${attempts} ${reason ?? ''}`.trim())
        .sort();
    };
    await expect
      .poll(states, { timeout: soonMs, interval: 500 })
      .toEqual([
        ...[0, 1].map((control) => `later ${control}: done 1`),
        ...[0, 1, 2, 3, 4, 5].map((n) => `message ${n}: done 1`),
        expect.stringMatching(/^poison: dead 1 .*exit/),
      ]);
  });

  test('ticks of a schedule are those of the database, each once', async () => {
    const manifest = '[[schedule]]\nname = "often"\ncron = "* * * * * *"\nbody = "go"\n';
    const ticking = await makeRepo({ 'a.wasm': printing('tick'), 'wasmcloud.toml': manifest });
    expect((await push(cluster.control(1), cluster.user, ticking, 'ticking')).status).toBe(0);
    const ticks = async (): Promise<readonly number[]> => {
      const rows = await cluster.sql<{ tick_ms: string }>(
        "select tick_ms from calls where schedule is not null and state = 'done'",
      );
      return rows.map(({ tick_ms }) => Number(tick_ms));
    };
    await expect.poll(async () => (await ticks()).length, { timeout: soonMs, interval: 500 }).toBeGreaterThan(5);
    const seen = await ticks();
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen.filter((ms) => !isNow(ms))).toEqual([]);
  });

  test('lines have one order at both controls, whatever their times say', async () => {
    const repo = await makeRepo({ 'a.wasm': logsQuery });
    expect((await push(cluster.control(), cluster.user, repo, 'logging')).status).toBe(0);
    const tails = [];
    for (const index of [0, 1]) tails.push(await LogTail.open(cluster.control(index), cluster.user, 'logging'));
    const texts = Array.from({ length: 8 }, (_, n) => `line-${n}`);
    for (const [n, text] of texts.entries()) {
      await cluster.call(node(n % 2), 'logging', { path: `/?${text}` });
      for (const tail of tails) await tail.line((line) => line.text === text);
    }
    for (const tail of tails) {
      const mine = tail.lines.filter(({ text }) => text.startsWith('line-'));
      expect(mine.map(({ text }) => text)).toEqual(texts);
      const cursors = mine.map(({ cursor }) => cursor);
      expect(cursors).toEqual([...cursors].sort((a, b) => a - b));
      // Lines have the time of the node that wrote them.
      expect(mine.map(({ timeMs }) => Math.sign(timeMs - Date.now()))).toEqual(
        texts.map((_, n) => (n % 2 === 0 ? -1 : 1)),
      );
      tail.close();
    }
  });

  test('what a control has that is killed, the other one takes over, and the newest process of a node is the only one', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('before') });
    expect((await push(cluster.control(0), cluster.user, repo, 'heron')).status).toBe(0);
    await cluster.killControl(0);
    await commit(repo, { 'a.wasm': printing('after') });
    await expect
      .poll(async () => (await push(cluster.control(1), cluster.user, repo, 'heron')).stderr, { timeout: soonMs })
      .toContain('live on 2 of 2 nodes');
    await cluster.restartControl(0);
    let older = node(0).node!;
    // The node whose clock is behind has a twin whose clock is ahead, and that one has one whose clock is behind.
    for (const { programs } of copies) {
      const newer = await cluster.addTwin(node(0), programs);
      await expect.poll(() => older.child.exitCode, { timeout: soonMs }).toBe(1);
      expect(older.log()).toContain('another process has joined');
      expect((await call({ runUrl: newer.runUrl } as PlatformChild, 'heron')).body).toBe('after');
      older = newer;
    }
    await older.stop();
  });
});
