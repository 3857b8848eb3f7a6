/** A cluster of real processes: PostgreSQL, NATS, controls and nodes, in temporary folders. */

import { once } from 'node:events';
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sql } from 'kysely';
import { freePort } from '../../src/bin/free-port.ts';
import {
  type NodeChild,
  type PlatformChild,
  startNodeChild,
  startPlatformChild,
} from '../../src/bin/platform-child.ts';
import { openAsItIs } from '../../src/control/db/database.ts';
import { OrphanRecord } from '../../src/control/fleet/orphan-record.ts';
import { command } from './database.ts';
import { api, call, createUser, type FunctionAnswer, type TestUser, temporaryFolder } from './e2e.ts';
import { type ClusterNats, temporaryNats } from './nats.ts';
import { type PostgresServer, startPostgres } from './postgres.ts';

const endWithParent = fileURLToPath(new URL('end-with-parent.ts', import.meta.url));
const flags = ['--import', endWithParent];

export interface TestNode {
  readonly name: string;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the programs of its version; absent: of this one. A restart takes the present one. */
  programs?: string | undefined;
  /** The process; null after it was killed. */
  node: NodeChild | null;
}

export interface TestControl {
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folder of the programs of its version; absent: of this one. A restart takes the present one. */
  programs?: string | undefined;
  control: PlatformChild;
}

export class TestCluster {
  readonly postgres: PostgresServer;
  readonly nats: ClusterNats;
  readonly controls: TestControl[] = [];
  readonly nodes: TestNode[] = [];
  /** The administrator, who owns the functions. */
  user: TestUser = { name: '', token: '' };

  private constructor(postgres: PostgresServer, nats: ClusterNats) {
    this.postgres = postgres;
    this.nats = nats;
  }

  /** Starts servers, controls and nodes. */
  static async start({
    controls = 2,
    nodes = 3,
    startNats = temporaryNats,
    programs = [],
  }: {
    readonly controls?: number;
    readonly nodes?: number;
    readonly startNats?: () => Promise<ClusterNats>;
    /** Folder of the programs of each control; absent: of this version. */
    readonly programs?: readonly string[];
  } = {}): Promise<TestCluster> {
    const [postgres, nats] = await Promise.all([startPostgres(), startNats()]);
    await command(postgres, 'create database trisiel');
    const cluster = new TestCluster(postgres, nats);
    try {
      for (let index = 0; index < controls; index += 1) await cluster.addControl(programs[index]);
      cluster.user = await createUser(cluster.control());
      await cluster.makeAdmin(cluster.user.name);
      await Promise.all(Array.from({ length: nodes }, (_, index) => cluster.addNode(`node-${index + 1}`)));
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Control number `index`. */
  control(index = 0): PlatformChild {
    const control = this.controls[index];
    if (control === undefined) throw new Error('no such control');
    return control.control;
  }

  async addControl(programs?: string): Promise<TestControl> {
    const folder = await temporaryFolder();
    await mkdir(folder, { recursive: true });
    const first = this.controls[0];
    // All controls of a database have the same key.
    if (first !== undefined) await copyFile(join(first.folder, 'env.key'), join(folder, 'env.key'));
    const port = await freePort();
    const env = {
      TRISIEL_DATA: folder,
      TRISIEL_PORT: String(port),
      TRISIEL_REGISTRATION: 'open',
      TRISIEL_DATABASE: this.postgres.url('trisiel'),
      TRISIEL_NATS: this.nats.url,
      TRISIEL_NATS_NODES: this.nats.nodeUrl,
    };
    const control = { folder, env, programs, control: await startPlatformChild(env, flags, programs) };
    this.controls.push(control);
    return control;
  }

  /** Kills a control and waits until it has gone. */
  async killControl(index: number): Promise<void> {
    const { child } = this.control(index);
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async restartControl(index: number): Promise<void> {
    const control = this.controls[index];
    if (control === undefined) throw new Error('no such control');
    control.control = await startPlatformChild(control.env, flags, control.programs);
  }

  /** Adds a node by the two commands that an administrator types, and starts it. */
  async addNode(name: string, settings: Readonly<Record<string, string>> = {}, programs?: string): Promise<TestNode> {
    const { status, body } = await api(this.control(), this.user, 'POST', '/nodes', { name });
    if (status !== 201) throw new Error(`nodes add: ${status} ${JSON.stringify(body)}`);
    const { join: joining } = body as { readonly join: string };
    const [url = '', token = ''] = joining.split('#');
    const folder = await temporaryFolder();
    const urls = [url, ...this.controls.map(({ control }) => control.controlUrl).filter((one) => one !== url)];
    const env = {
      TRISIEL_DATA: folder,
      TRISIEL_JOIN: `${urls.join(',')}#${token}`,
      TRISIEL_RUN_PORT: String(await freePort()),
      TRISIEL_RUNNERS: '1',
      TRISIEL_GRACE_S: '600',
      ...settings,
    };
    const node: TestNode = { name, folder, env, programs, node: await startNodeChild(env, flags, programs) };
    this.nodes.push(node);
    return node;
  }

  /** Kills the node's own process, or with `runners` all of it; waits until the process has gone. */
  async killNode(node: TestNode, { runners }: { readonly runners: boolean }): Promise<void> {
    const child = node.node?.child;
    if (child === undefined) return;
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    node.node = null;
    if (runners) endRunners(node);
  }

  async restartNode(node: TestNode): Promise<NodeChild> {
    node.node = await startNodeChild(node.env, flags, node.programs);
    return node.node;
  }

  /** Starts a second process with the token of a node, in another folder and on another port. */
  async addTwin(node: TestNode, programs = node.programs): Promise<NodeChild> {
    const env = { ...node.env, TRISIEL_DATA: await temporaryFolder(), TRISIEL_RUN_PORT: String(await freePort()) };
    return startNodeChild(env, flags, programs);
  }

  /** Base URL of the functions on a node. */
  runUrl(node: TestNode): string {
    return `http://localhost:${node.env.TRISIEL_RUN_PORT}`;
  }

  /** Calls a function on a node. */
  call(node: TestNode, handler: string, options: Parameters<typeof call>[2] = {}): Promise<FunctionAnswer> {
    return call({ runUrl: this.runUrl(node) } as PlatformChild, handler, options);
  }

  /** The nodes as control number `index` lists them. */
  async listed(index = 0): Promise<
    readonly {
      readonly name: string;
      readonly state: string;
      readonly upToDate: boolean;
      readonly revision: number | null;
    }[]
  > {
    const { body } = await api(this.control(index), this.user, 'GET', '/nodes');
    return (body as { readonly nodes: [] }).nodes;
  }

  async makeAdmin(name: string): Promise<void> {
    await this.sql(`update users set is_admin = 1 where name = '${name}'`);
  }

  /** Runs a statement on the platform's database. */
  async sql<Row>(statement: string): Promise<readonly Row[]> {
    const db = await openAsItIs({ url: this.postgres.url('trisiel') });
    try {
      return (await sql.raw<Row>(statement).execute(db)).rows;
    } finally {
      await db.destroy();
    }
  }

  async close(): Promise<void> {
    // A test may have failed before it has started a server again, which has nothing to continue then.
    try {
      this.postgres.resume();
    } catch (error) {
      process.stderr.write(`PostgreSQL could not be continued: ${error}\n`);
    }
    await Promise.all([
      ...this.nodes.map(async (node) => {
        await node.node?.stop();
        endRunners(node);
      }),
    ]);
    await Promise.all(this.controls.map(({ control }) => control.stop()));
    await this.nats.close();
    await this.postgres.close();
  }
}

/** Ends the runners that a killed node has left. */
function endRunners({ folder }: TestNode): void {
  const record = new OrphanRecord(join(folder, 'runners.json'));
  record.end(record.orphans());
}

export type Answered = Pick<FunctionAnswer, 'status' | 'body'>;
