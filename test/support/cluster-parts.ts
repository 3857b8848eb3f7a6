/** The parts of a control by which a cluster works, in this process, with a real database, NATS, HTTP and runners. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsServer } from '../../src/bin/nats-server.ts';
import { Bus } from '../../src/bus/bus.ts';
import { subjects } from '../../src/bus/limits.ts';
import { commandSchema, kinds, readMessage } from '../../src/bus/messages.ts';
import { Sealer } from '../../src/control/accounts/sealer.ts';
import type { Database } from '../../src/control/db/database.ts';
import { SqlLeases } from '../../src/control/db/leases.ts';
import { decodeBundle } from '../../src/control/deploy/file-bundle.ts';
import { LiveNodes } from '../../src/control/nodes/live-nodes.ts';
import { NodeDoor } from '../../src/control/nodes/node-door.ts';
import { NodeStore } from '../../src/control/nodes/node-store.ts';
import { SharedReleaseFeed } from '../../src/control/nodes/shared-feed.ts';
import { SpecShelf } from '../../src/control/nodes/spec-shelf.ts';
import { NodeAgent } from '../../src/node/agent.ts';
import { PlatformError } from '../../src/protocol/errors.ts';
import type { BusRequest, CallBusRequest, DeploymentSpec } from '../../src/protocol/messages.ts';
import type { ReleaseState } from '../../src/protocol/ports.ts';
import { TrustedProxies } from '../../src/protocol/trusted-proxies.ts';
import { postgres, type TemporaryDatabase } from './database.ts';
import { endWithParent, root } from './fleet.ts';
import { temporaryNats } from './nats.ts';

/** What controls of one cluster share. */
export interface SharedParts {
  readonly store: TemporaryDatabase;
  readonly nats: NatsServer;
  readonly sealer: Sealer;
  close(): Promise<void>;
}

export async function sharedParts(): Promise<SharedParts> {
  const [store, nats] = await Promise.all([postgres.temporary(), temporaryNats()]);
  const sealer = await Sealer.open({ db: store.db, keyFile: join(store.folder, 'env.key'), randomBytes });
  return {
    ...{ store, nats, sealer },
    async close() {
      await nats.close();
      await store.close();
    },
  };
}

/** Messages that parts report, with their errors, so that a failed test shows them. */
export const reported: string[] = [];

function report(message: string, error: unknown): void {
  reported.push(`${message}: ${error instanceof Error ? error.message : String(error)}`);
}

export interface ControlParts {
  readonly bus: Bus;
  readonly feed: SharedReleaseFeed;
  readonly live: LiveNodes;
  readonly nodes: NodeStore;
  readonly shelf: SpecShelf;
  readonly artifacts: Map<string, Uint8Array>;
  readonly url: string;
  onRequest: (request: BusRequest | CallBusRequest) => Promise<Uint8Array | null>;
  /** Lets nodes no longer reach this control over HTTP. */
  closeDoor(): Promise<void>;
  close(): Promise<void>;
}

/** Makes one control's parts. `read`: what the database says is released. */
export async function controlParts(
  shared: SharedParts,
  { db = shared.store.db, read }: { readonly db?: Database; readonly read: () => Promise<ReleaseState> },
): Promise<ControlParts> {
  const shelf = new SpecShelf();
  const artifacts = new Map<string, Uint8Array>();
  const nodes = new NodeStore({ db, now: Date.now, randomBytes });
  const bus = new Bus({ url: shared.nats.url, name: 'test', role: 'control', report });
  await bus.ready(10_000);
  // As a control does: without it a node that ends waits until it may give up its last reports.
  await bus.makeStream();
  const feed: SharedReleaseFeed = await SharedReleaseFeed.open({
    ...{ db, sealer: shared.sealer, shelf, read, now: Date.now, report },
    wake: (revision) => bus.publish(subjects.all, kinds.command, { command: 'releases', revision }),
  });
  const server = createServer((request, response) => void door.handle(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const parts = {
    onRequest: (_request: BusRequest | CallBusRequest): Promise<Uint8Array | null> => Promise.resolve(null),
  };
  const door = new NodeDoor({
    nodes,
    welcome: ({ id, name }, epoch) => ({
      ...{ nodeId: id, name, epoch, platformId: 'platform-of-the-tests', key: `key-of-${id}` },
      ...{ domain: 'localhost', runUrl: null, egressAllow: [], nats: shared.nats.nodeUrl },
    }),
    released: feed,
    spec: (specId) => shelf.get(specId),
    blobs: {
      async get(name) {
        const bytes = artifacts.get(name);
        if (bytes === undefined) throw new PlatformError('not_found', `no blob ${name}`);
        return bytes;
      },
    },
    onRequest: (request) => parts.onRequest(request),
    report,
  });
  const live = new LiveNodes({
    ...{ bus, shelf, controlUrl: url, isKnown: () => true, onRunnerGone: () => {}, report },
    leases: new SqlLeases({ db }),
  });
  bus.subscribe(subjects.all, ({ data }) => {
    if (readMessage(data, kinds.command, commandSchema).command === 'releases') void feed.follow().catch(() => {});
  });
  return Object.assign(parts, {
    ...{ bus, feed, live, nodes, shelf, artifacts, url },
    async closeDoor() {
      server.close();
      server.closeAllConnections();
      if (server.listening) await once(server, 'close');
    },
    async close() {
      live.close();
      await feed.close();
      await bus.close();
      server.close();
      server.closeAllConnections();
    },
  });
}

/** Makes a node that joins at `urls`; it is not started. Its runners end with this process. */
export async function makeAgent(
  urls: readonly string[],
  token: string,
  options: Partial<ConstructorParameters<typeof NodeAgent>[0]> = {},
): Promise<{ readonly agent: NodeAgent; readonly folder: string; stop(): Promise<void> }> {
  const folder = options.dataFolder ?? (await mkdtemp(join(tmpdir(), 'trisiel-node-')));
  const agent = new NodeAgent({
    join: { urls, token },
    ...{ nats: null, dataFolder: folder, host: '127.0.0.1', port: 0, url: null, labels: {}, runners: 1 },
    ...{
      egressAllow: [],
      trustedProxies: TrustedProxies.none,
      traces: null,
      programFolder: root,
      version: 'test',
      decodeBundle,
    },
    nodeFlags: [`--allow-fs-read=${endWithParent}`, '--import', endWithParent],
    onEvent: () => {},
    report,
    ...options,
  });
  return {
    ...{ agent, folder },
    async stop() {
      await agent.stop({ runners: 'end', graceMs: 0 });
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** What a database has, for `read` of a feed: specs by id, and the spec of each label. */
export class StoredReleases {
  readonly specs = new Map<string, DeploymentSpec>();
  readonly releases = new Map<string, string>();

  commit(spec: DeploymentSpec): void {
    this.specs.set(spec.specId, spec);
    this.releases.set(spec.label, spec.specId);
  }

  readonly read = async (): Promise<ReleaseState> => ({
    specs: [...this.releases.values()].map((specId) => this.specs.get(specId)!),
    releases: [...this.releases].map(([label, specId]) => ({ label, specId })),
    ...{ known: [], moved: [], domains: [], owners: [] },
  });
}
