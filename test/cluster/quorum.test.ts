/**
 * A cluster with three servers of NATS that loses two of them, and gets them back (docs/cluster.md). Runs with QUORUM=1 only:
 * it does not always come to its end within minutes, and it is not known yet whether the test or the platform waits.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
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

if (process.env.QUORUM !== '1')
  process.stderr.write('skipped: a cluster whose NATS loses its quorum: QUORUM=1 runs it\n');
const withQuorum = process.env.QUORUM === '1' ? onCluster : describe.skip;

withQuorum('a cluster whose NATS loses its quorum', () => {
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
    const load = startLoad(cluster, 'logging', { clients: 1 });
    await load.more(50);
    await tail.line(({ text }) => text === load.answered[0]);
    const [, second, third] = nats.servers;
    await Promise.all([second!.kill(), third!.kill()]);
    await cluster.control().logged('reports of nodes');
    await load.more(200);
    // Releases are in the database, and the server that is left still wakes the nodes.
    await commit(repo, { 'wasmcloud.toml': '[env]\nN = "1"\n' });
    await expect
      .poll(async () => (await push(cluster.control(), cluster.user, repo, 'logging')).stderr, { timeout: 60_000 })
      .toContain('live on 2 of 2 nodes');
    await Promise.all([second!.start(), third!.start()]);
    await load.more(100);
    await load.stop();
    expect(load.failed).toEqual([]);
    const last = load.answered.at(-1);
    await tail.line(({ text }) => text === last);
    await expect.poll(() => uncounted(load.answered), { timeout: 60_000 }).toEqual({ missing: 0, twice: 0 });
    const told = tail.lines.map(({ text }) => text).filter((text) => /^n\d+$/.test(text));
    expect(told.length).toBe(new Set(told).size);
    tail.close();
  }, 600_000);

  async function uncounted(texts: readonly string[]): Promise<{ readonly missing: number; readonly twice: number }> {
    const db = await openDatabase({ url: cluster.postgres.url('trisiel') });
    try {
      return await lostLines(db, texts, /^n\d+$/);
    } finally {
      await db.close();
    }
  }
});
