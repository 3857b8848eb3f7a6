/** Gas profiles of a cluster: every node takes one. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { GasProfile } from '../../src/protocol/gas-profile.ts';
import { TestCluster } from '../support/cluster.ts';
import { api, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { compileWat } from '../support/fleet.ts';
import { onCluster } from '../support/nats.ts';

onCluster('a gas profile in a cluster', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ controls: 2, nodes: 2 });
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  test('has the calls of all nodes, whichever control is asked', async () => {
    const busy = await compileWat(`(module (memory (export "memory") 1)
      (func $work (local $i i32)
        (loop $next (br_if $next
          (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 20000)))))
      (func $main (export "cwa_main") (result i32) (call $work) (i32.const 0)))`);
    const repo = await makeRepo({ 'a.wasm': busy });
    expect((await push(cluster.control(), cluster.user, repo, 'busy')).status).toBe(0);
    // Asks for a profile while one node alone is called.
    const profileWhile = async (index: number): Promise<GasProfile> => {
      let isOver = false;
      const path = '/handlers/busy/profile';
      const asked = api(cluster.control(1), cluster.user, 'POST', path, { seconds: 3 }).finally(() => {
        isOver = true;
      });
      while (!isOver) await cluster.call(cluster.nodes[index]!, 'busy');
      const { status, body } = await asked;
      expect(status, JSON.stringify(body)).toBe(200);
      return body as GasProfile;
    };
    for (const index of [0, 1]) {
      const { functions, samples, calls, gas } = await profileWhile(index);
      expect(functions).toEqual(['main', 'work']);
      expect(samples).toBeGreaterThan(0);
      expect(calls).toBeGreaterThan(0);
      expect(gas).toBeGreaterThan(calls * 20_000);
    }
  });

  test('is taken by one of two controls that are asked at once; the other says that it is being taken', async () => {
    const path = '/handlers/busy/profile';
    const ask = (index: number) => api(cluster.control(index), cluster.user, 'POST', path, { seconds: 2 });
    const answers = await Promise.all([ask(0), ask(1)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    expect((await ask(1)).status).toBe(200);
  });
});
