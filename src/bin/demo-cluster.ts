/**
 * `npm run demo:cluster`: starts PostgreSQL, NATS, two controls and three nodes in temporary folders; pushes a
 * function, and calls it on two nodes while a control and the third node are killed. Exits 0 when no call has failed
 * and every call is in the log once; says plainly which server is missing when one is.
 */

import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OrphanRecord } from '../control/fleet/orphan-record.ts';
import { messageOf } from '../protocol/errors.ts';
import { expect, print, Shell, title } from './demo-shell.ts';
import { freePort } from './free-port.ts';
import { startNats, whyNoNats } from './nats-server.ts';
import { type NodeChild, startNodeChild, startPlatformChild } from './platform-child.ts';
import { postgresMissing, startPostgres } from './postgres-server.ts';

const handler = 'swift-otter';
/** Calls to make at least, before and after each kill. */
const callsEach = 50;

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'trisiel-cluster-'));
const cleanUp: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true, maxRetries: 10 })];

async function demo(): Promise<void> {
  const startedMs = performance.now();
  for (const missing of [postgresMissing, whyNoNats()]) if (missing !== null) throw new Error(missing);
  title('PostgreSQL and NATS');
  const [postgres, nats] = await Promise.all([startPostgres(), startNats(join(folder, 'nats'))]);
  cleanUp.push(
    () => postgres.close(),
    () => nats.close(),
  );
  print(`postgres on port ${postgres.port}, nats on port ${nats.port}`);

  title('Two controls: trisiel serve');
  const shared = {
    TRISIEL_DATABASE: postgres.url('postgres'),
    TRISIEL_NATS: nats.url,
    TRISIEL_NATS_NODES: nats.nodeUrl,
  };
  const first = await startPlatformChild({
    ...shared,
    TRISIEL_DATA: join(folder, 'control-1'),
    TRISIEL_PORT: String(await freePort()),
  });
  cleanUp.push(() => first.stop());
  await mkdir(join(folder, 'control-2'));
  await copyFile(join(folder, 'control-1/env.key'), join(folder, 'control-2/env.key'));
  const second = await startPlatformChild({
    ...shared,
    TRISIEL_DATA: join(folder, 'control-2'),
    TRISIEL_PORT: String(await freePort()),
  });
  cleanUp.push(() => second.stop());
  print(`${first.controlUrl} and ${second.controlUrl}`);
  const repo = join(folder, 'hello');
  const shell = new Shell(first.controlUrl, folder, repo);
  // A line of the platform's own log.
  const { code } = JSON.parse(await first.logged('there is no account yet')) as { code: string };
  await shell.run(['wasmcloud', 'signup', 'ada', '--invite', code, '--password-stdin'], 'correct horse battery\n');

  title('Three nodes, two commands each');
  await mkdir(repo);
  const nodes: NodeChild[] = [];
  for (const name of ['eu-1', 'eu-2', 'us-1']) {
    const printed = await shell.run(['wasmcloud', 'nodes', 'add', name]);
    const join_ = /TRISIEL_JOIN='([^']+)'/.exec(printed)?.[1] ?? '';
    const node = await startNodeChild({
      TRISIEL_JOIN: join_,
      TRISIEL_DATA: join(folder, name),
      TRISIEL_RUN_PORT: String(await freePort()),
      TRISIEL_RUNNERS: '1',
    });
    cleanUp.push(async () => {
      await node.stop();
      // Runners of a node that was killed serve on: nothing else ends them here.
      const left = new OrphanRecord(join(folder, name, 'runners.json'));
      left.end(left.orphans());
    });
    nodes.push(node);
  }
  await shell.run(['wasmcloud', 'nodes']);

  title('Push');
  await copyFile(join(root, 'fixtures/guests/cwa/hello.wasm'), join(repo, 'hello.wasm'));
  await shell.run(['git', 'init', '--quiet', '--initial-branch=main']);
  await shell.run(['git', 'add', 'hello.wasm']);
  await shell.run(['git', 'commit', '--quiet', '--message', 'Say hello']);
  await shell.run(['wasmcloud', 'create', handler]);
  expect(await shell.run(['git', 'push', 'wasmcloud', 'main']), 'live on 3 of 3 nodes', 'the push did not go live');

  title('Calls on two nodes, while a control and the third node are killed with SIGKILL');
  const [one, other, third] = nodes as [NodeChild, NodeChild, NodeChild]; // three were started above
  const load = startCalls([one.runUrl, other.runUrl]);
  await load.more(callsEach);
  const dead = once(second.child, 'exit');
  second.child.kill('SIGKILL');
  await dead;
  print(`killed ${second.controlUrl}`);
  await load.more(callsEach);
  third.child.kill('SIGKILL');
  print(`killed the node us-1`);
  await load.more(callsEach);
  const { answered, failed } = await load.end();
  print(`${answered} calls answered, ${failed} failed`);
  if (failed > 0) throw new Error('calls have failed');

  title('Nothing is lost');
  let lines = 0;
  while (lines < answered)
    lines = (await shell.quiet(['wasmcloud', 'logs', handler, '--export', '-'])).match(/was called/g)?.length ?? 0;
  if (lines > answered) throw new Error(`${lines} lines are in the log, ${answered} calls were made`);
  print(`the log has a line of each of the ${answered} calls, and none twice`);
  await shell.run(['wasmcloud', 'nodes']);
  print(`\nThat took ${Math.round((performance.now() - startedMs) / 1_000)} s. docs/cluster.md has the rest.`);
}

interface Calls {
  /** Resolves when `count` more calls have been answered. */
  more(count: number): Promise<void>;
  end(): Promise<{ readonly answered: number; readonly failed: number }>;
}

/** Calls the function without a pause, one call at a time on each of `urls`. */
function startCalls(urls: readonly string[]): Calls {
  let answered = 0;
  let failed = 0;
  let isOver = false;
  const watchers = new Set<() => void>();
  const running = urls.map(async (url) => {
    while (!isOver) {
      if ((await status(url)) === 200) answered += 1;
      else failed += 1;
      for (const wake of watchers) wake();
      watchers.clear();
    }
  });
  return {
    async more(count) {
      const until = answered + failed + count;
      while (answered + failed < until) await new Promise<void>((resolve) => watchers.add(resolve));
    },
    async end() {
      isOver = true;
      await Promise.all(running);
      return { answered, failed };
    },
  };
}

/** Returns the status of one call, 0 when the connection broke. */
function status(url: string): Promise<number> {
  return new Promise((resolve) => {
    const call = request(`${url}/${handler}/`, { agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode ?? 0));
      response.once('error', () => resolve(0));
    });
    call.once('error', () => resolve(0));
    call.end();
  });
}

try {
  await demo();
} catch (error) {
  console.error(`\nThe demo failed: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  for (const step of cleanUp.reverse()) await step();
}
