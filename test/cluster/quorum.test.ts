/** A cluster with three servers of NATS that loses two of them, and gets them back (docs/cluster.md). */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDatabase } from '../../src/control/db/database.ts';
import { TestCluster } from '../support/cluster.ts';
import { startLoad } from '../support/cluster-load.ts';
import { commit, LogTail, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { assemble } from '../support/e2e-guests.ts';
import { lostLines } from '../support/logs.ts';
import { type NatsServers, onCluster, threeNats } from '../support/nats.ts';
import { cwaGuest } from '../support/wat.ts';

/** Writes the query to the log and answers with it. */
const logsQuery = assemble(
  cwaGuest({
    data: ['(data (i32.const 0) "QUERY_STRING")'],
    body: `
    (local.set $n (call $env (i32.const 0) (i32.const 12) (i32.const 1024) (i32.const 64)))
    (call $log (i32.const 6) (i32.const 1024) (local.get $n))
    (drop (call $write (call $stdout) (i32.const 1024) (local.get $n)))`,
  }),
);

const isAnswer = /^(?:before|without|after)\d+$/;

onCluster('a cluster whose NATS loses its quorum', () => {
  let cluster: TestCluster;
  let nats: NatsServers;
  beforeAll(async () => {
    cluster = await TestCluster.start({
      ...{ controls: 1, nodes: 2 },
      startNats: async () => {
        nats = await threeNats();
        return nats;
      },
    });
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  test('calls and pushes go on, control says that lines wait, and all of them come when it is back, once', async () => {
    const repo = await makeRepo({ 'a.wasm': logsQuery });
    const first = await push(cluster.control(), cluster.user, repo, 'logging');
    expect(first.status, first.stderr).toBe(0);
    const tail = await LogTail.open(cluster.control(), cluster.user, 'logging');
    const answered = [...(await answers('before', 50))];
    await tail.line(({ text }) => text === answered.at(-1));
    const [, second, third] = nats.servers;
    await Promise.all([second!.kill(), third!.kill()]);
    await cluster.control().logged('reports of nodes');
    // So many that they fit into what a runner keeps.
    answered.push(...(await answers('without', 200)));
    // Releases are in the database, and the server that is left still wakes the nodes.
    await commit(repo, { 'wasmcloud.toml': '[env]\nN = "1"\n' });
    await expect
      .poll(async () => (await push(cluster.control(), cluster.user, repo, 'logging')).stderr, { timeout: 60_000 })
      .toContain('live on 2 of 2 nodes');
    await Promise.all([second!.start(), third!.start()]);
    answered.push(...(await answers('after', 100)));
    for (const text of answered) await tail.line((line) => line.text === text);
    await expect.poll(() => uncounted(answered), { timeout: 60_000 }).toEqual({ missing: 0, twice: 0 });
    const told = tail.lines.map(({ text }) => text).filter((text) => isAnswer.test(text));
    expect(told.length).toBe(new Set(told).size);
    tail.close();
  }, 600_000);

  /** Calls the function at least `count` times, on both nodes; every call is answered. Returns the answers. */
  async function answers(prefix: string, count: number): Promise<readonly string[]> {
    const load = startLoad(cluster, 'logging', { clients: 1, prefix });
    await load.more(count);
    await load.stop();
    expect(load.failed).toEqual([]);
    return load.answered;
  }

  async function uncounted(texts: readonly string[]): Promise<{ readonly missing: number; readonly twice: number }> {
    const db = await openDatabase({ url: cluster.postgres.url('trisiel') });
    try {
      return await lostLines(db, texts, isAnswer);
    } finally {
      await db.close();
    }
  }
});
