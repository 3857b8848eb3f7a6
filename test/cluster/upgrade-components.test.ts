/**
 * Components during a rolling upgrade to a version with a later linker, whose code calls a function of the platform
 * under another name: which node serves which Artifact, and that each says why where it cannot.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openAsItIs } from '../../src/control/db/database.ts';
import { LINKER_VERSION } from '../../src/guest/component/recognise.ts';
import { linkerVersionOf } from '../../src/protocol/module.ts';
import { TestCluster } from '../support/cluster.ts';
import { api, makeRepo, push, removeTemporaryFolders } from '../support/e2e.ts';
import { fixture } from '../support/e2e-guests.ts';
import { onCluster } from '../support/nats.ts';
import { nextVersion } from '../support/next-version.ts';
import { copyPrograms, type ProgramCopy } from '../support/program-copy.ts';

const nextLinker = LINKER_VERSION + 1;

onCluster('components in a rolling upgrade to a later linker', () => {
  let cluster: TestCluster;
  let next: ProgramCopy;
  beforeAll(async () => {
    [next, cluster] = await Promise.all([
      copyPrograms([
        { file: 'src/protocol/program-version.ts', from: "'0.1.0'", to: `'${nextVersion}'` },
        {
          file: 'src/guest/component/recognise.ts',
          from: `LINKER_VERSION = ${LINKER_VERSION};`,
          to: `LINKER_VERSION = ${nextLinker};`,
        },
        {
          file: 'src/guest/component/glue-hosts.ts',
          from: "module: handlerModule, name: 'request'",
          to: "module: handlerModule, name: 'next-request'",
        },
        {
          file: 'src/guest/kernel/abi/wasi2/http/incoming-handler.ts',
          from: "'request',\n  func({}, own(incomingRequestResource))",
          to: "'next-request',\n  func({}, own(incomingRequestResource))",
        },
      ]),
      TestCluster.start({ controls: 2, nodes: 2 }),
    ]);
    const { stderr } = await pushTo(0, 'web');
    expect(stderr).toContain('live on 2 of 2 nodes');
  });
  afterAll(async () => {
    await cluster?.close();
    await next?.remove();
    await removeTemporaryFolders();
  });

  async function pushTo(control: number, name: string) {
    const repo = await makeRepo({ 'a.wasm': await fixture('component/http.wasm') });
    return push(cluster.control(control), cluster.user, repo, name);
  }
  /** Statuses of a call on each node. */
  async function statuses(name: string): Promise<readonly number[]> {
    const answers = await Promise.all(cluster.nodes.map((node) => cluster.call(node, name)));
    return answers.map(({ status }) => status);
  }
  /** Versions of the linkers of what is live. */
  async function linkers(): Promise<readonly (number | null)[]> {
    const db = await openAsItIs({ url: cluster.postgres.url('trisiel') });
    try {
      const rows = await db.selectFrom('deployments').select('artifact').where('state', '=', 'live').execute();
      return rows.map(({ artifact }) => linkerVersionOf(artifact));
    } finally {
      await db.destroy();
    }
  }
  const logOf = async (name: string): Promise<string> =>
    JSON.stringify((await api(cluster.control(), cluster.user, 'GET', `/handlers/${name}/logs`)).body);
  async function upgradeControl(index: number): Promise<void> {
    await cluster.control(index).leave();
    cluster.controls[index]!.programs = next.programs;
    await cluster.restartControl(index);
  }
  async function upgradeNode(index: number): Promise<void> {
    const node = cluster.nodes[index]!;
    await node.node!.leave();
    node.programs = next.programs;
    await cluster.restartNode(node);
  }

  test('with a control of the next version, nodes serve what is live; a push of a component to it is refused, and says why', async () => {
    await upgradeControl(0);
    expect(await statuses('web')).toEqual([200, 200]);
    const { status, stderr } = await pushTo(0, 'later');
    expect(status).not.toBe(0);
    expect(stderr.replaceAll(/\nremote: +/g, ' ')).toContain(
      `a later version has linked its component (linker ${nextLinker}, here ${LINKER_VERSION}); this node has to be upgraded`,
    );
    expect(stderr).toContain('nothing deployed');
    expect(await linkers()).toEqual([LINKER_VERSION]);
  });

  test('a node of the next version answers 503 until the component is linked anew, and says why; the other one serves it', async () => {
    await upgradeNode(0);
    await expect.poll(() => statuses('web'), { timeout: 60_000 }).toEqual([503, 200]);
    await expect
      .poll(() => logOf('web'), { timeout: 60_000 })
      .toContain(`an earlier version has linked its component (linker ${LINKER_VERSION}, here ${nextLinker})`);
    expect(await linkers()).toEqual([LINKER_VERSION]);
  });

  test('once all nodes have the next version the component is linked anew, and both serve it', async () => {
    await upgradeControl(1);
    await upgradeNode(1);
    await expect.poll(() => statuses('web'), { timeout: 120_000 }).toEqual([200, 200]);
    expect(await linkers()).toEqual([nextLinker]);
    expect(await logOf('web')).toContain('v1 was linked anew');
  });
});
