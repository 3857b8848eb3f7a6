/**
 * Starts of controls and nodes with servers that are away, and with what is not theirs: one clear line, and no secret
 * in it.
 */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startNodeChild, startPlatformChild } from '../../src/bin/platform-child.ts';
import { TestCluster } from '../support/cluster.ts';
import { api, makeRepo, push, removeTemporaryFolders, temporaryFolder } from '../support/e2e.ts';
import { printing } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';

onCluster('a start', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.start({ controls: 1, nodes: 1 });
  });
  afterAll(async () => {
    await cluster?.close();
    await removeTemporaryFolders();
  });

  /** Returns what a control or node says that ends before it is ready, with status 1. */
  async function refused(of: 'control' | 'node', env: Readonly<Record<string, string>>): Promise<string> {
    const known = of === 'control' ? cluster.controls[0]!.env : cluster.nodes[0]!.env;
    const folder = await temporaryFolder();
    if (of === 'control') await copyFile(join(cluster.controls[0]!.folder, 'env.key'), join(folder, 'env.key'));
    const own = { TRISIEL_DATA: folder, TRISIEL_PORT: '0', TRISIEL_RUN_PORT: '0' };
    const start = of === 'control' ? startPlatformChild : startNodeChild;
    const child = await start({ ...known, ...own, ...env }).catch((error: unknown) => String(error));
    if (typeof child !== 'string') {
      await child.stop();
      throw new Error('it started');
    }
    expect(child).toContain('ended before it was ready (1)');
    expect(child).not.toMatch(/\n\s+at .*:\d+/);
    for (const url of [cluster.nats.url, cluster.nats.nodeUrl, cluster.postgres.url('trisiel')])
      expect(child).not.toContain(new URL(url).password);
    return child;
  }
  const changed = (url: string, change: (url: URL) => void): string => {
    const made = new URL(url);
    change(made);
    return made.href;
  };
  const nowhere = (url: string): string => changed(url, (made) => (made.port = '1'));
  const wrong = (url: string): string => changed(url, (made) => (made.password = 'not-the-password'));

  test('of a control, while NATS is away or refuses it', async () => {
    const away = await refused('control', { TRISIEL_NATS: nowhere(cluster.nats.url) });
    expect(away).toMatch(/NATS .*127\.0\.0\.1:1/);
    const other = await refused('control', { TRISIEL_NATS: wrong(cluster.nats.url) });
    expect(other).toMatch(/NATS.*(authoriz|credentials|password)/i);
    expect(other).not.toContain('not-the-password');
  });

  test('of a control, while PostgreSQL is away or refuses it', async () => {
    const url = cluster.postgres.url('trisiel');
    expect(await refused('control', { TRISIEL_DATABASE: nowhere(url) })).toMatch(
      /PostgreSQL at 127\.0\.0\.1:1 .*ECONNREFUSED/,
    );
    const other = await refused('control', { TRISIEL_DATABASE: wrong(url) });
    expect(other).toMatch(/PostgreSQL at .*password authentication failed/);
    expect(other).not.toContain('not-the-password');
  });

  test('of a node, without a control, and with a token that is none or was removed', async () => {
    const [urls = '', token = ''] = cluster.nodes[0]!.env.TRISIEL_JOIN!.split('#');
    const away = await refused('node', { TRISIEL_JOIN: `http://127.0.0.1:1#${token}` });
    expect(away).toContain('no control can be reached: http://127.0.0.1:1');
    expect(away).not.toContain(token);
    const forged = `tn_${'A'.repeat(43)}`;
    expect(await refused('node', { TRISIEL_JOIN: `${urls}#${forged}` })).toMatch(/token/);
    const gone = await cluster.addNode('gone');
    await gone.node?.stop();
    expect((await api(cluster.control(), cluster.user, 'DELETE', '/nodes/gone')).status).toBeLessThan(300);
    expect(await refused('node', { TRISIEL_JOIN: gone.env.TRISIEL_JOIN! })).toMatch(/token/);
  });

  test('of a node that NATS refuses serves what controls tell it over HTTP, and counts as away', async () => {
    const repo = await makeRepo({ 'a.wasm': printing('over HTTP') });
    expect((await push(cluster.control(), cluster.user, repo, 'otter')).stderr).toContain('live on 1 of 1 node');
    const late = await cluster.addNode('late', { TRISIEL_NATS: wrong(cluster.nats.nodeUrl) });
    expect((await cluster.call(late, 'otter')).body).toBe('over HTTP');
    expect((await cluster.listed()).find(({ name }) => name === 'late')?.state).toBe('away');
  });
});
