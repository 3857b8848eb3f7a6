/** Lets functions be served by the nodes of a cluster, which hear of Releases over the database and the bus. */
import { createHmac } from 'node:crypto';
import { z } from 'zod';
import { Bus } from '../bus/bus.ts';
import { decodeMessage } from '../bus/codec.ts';
import { busLimits, subjects } from '../bus/limits.ts';
import { commandSchema, kinds, readMessage } from '../bus/messages.ts';
import type { Sealer } from '../control/accounts/sealer.ts';
import type { RandomBytes } from '../control/accounts/secrets.ts';
import type { ArtifactStore } from '../control/artifacts/artifact-store.ts';
import type { Database } from '../control/db/database.ts';
import { SqlLeases } from '../control/db/leases.ts';
import type { LogStore } from '../control/logs/log-store.ts';
import { LiveNodes } from '../control/nodes/live-nodes.ts';
import { NodeDoor } from '../control/nodes/node-door.ts';
import { NodeStore } from '../control/nodes/node-store.ts';
import { ReportIntake } from '../control/nodes/report-intake.ts';
import { SharedReleaseFeed } from '../control/nodes/shared-feed.ts';
import { SpecShelf } from '../control/nodes/spec-shelf.ts';
import type { UsageStore } from '../control/usage/usage-store.ts';
import { PlatformError } from '../protocol/errors.ts';
import type { BusRequest, CallBusRequest, RunningChange } from '../protocol/messages.ts';
import type { ReleaseState } from '../protocol/ports.ts';
import { readSetting } from './many-controls.ts';
import type { Serving } from './serving.ts';

/** Milliseconds between two looks for nodes that another control has added or removed. */
const lookMs = 1_000;
/** Milliseconds for which a control that starts waits until nodes have said that they live. */
const nodesMs = 2 * busLimits.aliveMs;

export interface ClusterServingOptions {
  readonly nats: string;
  readonly natsOfNodes: string;
  readonly db: Database;
  readonly sealer: Sealer;
  readonly now: () => number;
  readonly randomBytes: RandomBytes;
  readonly controlId: string;
  /** URL at which nodes reach this control. */
  readonly internalUrl: string;
  readonly platformId: string;
  readonly domain: string;
  /** Public base URL of functions; null: made from a node's own address. */
  readonly runUrl: string | null;
  readonly runPort: number;
  readonly egressAllow: readonly string[];
  readonly artifacts: Pick<ArtifactStore, 'get'>;
  readonly logs: LogStore;
  readonly usage: UsageStore;
  readonly onRequest: (request: BusRequest | CallBusRequest) => Promise<Uint8Array | null>;
  readonly read: () => Promise<ReleaseState>;
  readonly report: (message: string, error: unknown) => void;
  readonly onNode: (event: 'lives' | 'gone', nodeId: string) => void;
}

/** Connects to the bus. Throws `unavailable` when NATS cannot be reached, or when this control has another env.key. */
export async function clusterServing(options: ClusterServingOptions): Promise<Serving> {
  const { db, sealer, report, logs, usage, controlId, internalUrl } = options;
  const shelf = new SpecShelf();
  const store = new NodeStore(options);
  const feed: SharedReleaseFeed = await SharedReleaseFeed.open({
    ...{ db, sealer, shelf, report, now: options.now, read: options.read },
    wake: (revision) => live.command({ command: 'releases', revision }),
  });
  const key = await sharedKey(db, sealer, options.randomBytes);
  const keyOf = (nodeId: string): string => createHmac('sha256', key).update(`node ${nodeId}`).digest('hex');
  const bus = new Bus({
    url: options.nats,
    name: `trisiel-control-${controlId}`,
    role: 'control',
    report,
    onConnected: () => {
      live.ask();
      void feed.follow().catch(() => {});
      tellAlive();
    },
  });
  /** Ids of nodes that may be part of the cluster, with their names. */
  let known = new Map<string, string>();
  const live = new LiveNodes({
    bus,
    shelf,
    leases: new SqlLeases({ db }),
    controlUrl: internalUrl,
    isKnown: (id) => known.has(id),
    nameOf: (id) => known.get(id) ?? id,
    onRunnerGone: (runnerId) => usage.running(runnerId, null),
    onChange: options.onNode,
    report,
  });
  const tellAlive = (): void => {
    bus.publish(subjects.control(controlId), kinds.control, {
      id: controlId,
      url: internalUrl,
      revision: feed.revision,
    });
  };
  const intake = new ReportIntake({
    bus,
    logs,
    onUsage: (batches) => usage.storeOnce(batches),
    onStored: () => live.command({ command: 'logged' }),
    report,
  });
  const door = new NodeDoor({
    nodes: store,
    welcome: ({ id, name }, epoch) => ({
      ...{ nodeId: id, name, epoch, key: keyOf(id), platformId: options.platformId, domain: options.domain },
      ...{ runUrl: options.runUrl, egressAllow: [...options.egressAllow], nats: options.natsOfNodes },
    }),
    released: feed,
    spec: (specId) => shelf.get(specId),
    blobs: options.artifacts,
    onRequest: options.onRequest,
    report,
  });
  bus.subscribe(subjects.all, ({ data }) => {
    const command = readMessage(data, kinds.command, commandSchema);
    if (command.command === 'releases') void feed.follow().catch(() => {});
    else if (command.command === 'logged') logs.wake();
  });
  bus.subscribe(subjects.allRunning, ({ data }) => {
    const { runnerId, change } = runningSchema.parse(decodeMessage(data, [kinds.running]).body);
    usage.running(runnerId, change as RunningChange | null); // another control of this platform has sent it
  });
  const look = async (): Promise<void> => {
    known = new Map((await store.list()).map(({ id, name }) => [id, name]));
    intake.follow([...known.keys()]);
  };
  const timers: NodeJS.Timeout[] = [];
  try {
    await bus.ready(busLimits.startMs);
  } catch (error) {
    live.close();
    await feed.close();
    await bus.close();
    throw error;
  }

  return {
    releases: feed,
    nodes: live,
    register: {
      list: async () => {
        const alive = new Map(live.alive().map((one) => [one.id, one]));
        return (await store.list()).map((row) => ({ row, alive: alive.get(row.id) ?? null, revision: feed.revision }));
      },
      add: async (name) => {
        const { token } = await store.add(name);
        await look();
        return { join: `${internalUrl}#${token}` };
      },
      drain: async (name) => {
        const { id } = await store.find(name);
        if (!live.command({ command: 'drain', id }))
          throw new PlatformError('unavailable', 'the node cannot be reached: NATS does not answer');
      },
      remove: async (name) => {
        const { id } = await store.remove(name);
        // A node that does not hear it is refused when it next asks a control.
        live.command({ command: 'remove', id });
        live.remove(id);
        await look();
      },
    },
    runUrl: () => options.runUrl ?? `http://${options.domain}:${live.pick()?.port ?? options.runPort}`,
    readyUrl: () => options.runUrl ?? `http://${options.domain}:${live.pick()?.port ?? options.runPort}`,
    target: (label) => {
      const node = live.pick(feed.placedOf(label));
      if (node === null) return null;
      return { host: node.host, port: node.port, key: keyOf(node.id), onRefused: () => live.refused(node.id) };
    },
    handles: (request) => door.handles(request),
    handle: (request, response) => void door.handle(request, response),
    async start() {
      await look();
      await feed.rebuild();
      timers.push(
        setInterval(() => void look().catch((error: unknown) => report('the nodes could not be read', error)), lookMs),
        setInterval(tellAlive, busLimits.aliveMs),
      );
      tellAlive();
      live.ask();
      // A push right after the start finds the nodes that live.
      await live.until(() => live.alive().length >= known.size, nodesMs);
    },
    end: () => {},
    async leave() {
      for (const timer of timers) clearInterval(timer);
      live.close();
      await intake.close();
      await feed.close();
      await bus.close();
    },
    // A push has waited until the Release has taken effect in all nodes that serve and reach a control.
    places: (placed) => {
      const { serving, wanted } =
        placed === null ? { serving: live.servingNewest, wanted: known.size } : live.holding(placed);
      return ` on ${serving} of ${wanted} ${wanted === 1 ? 'node' : 'nodes'}`;
    },
    prune: () => feed.prune(),
  };
}

const runningSchema = z.object({ runnerId: z.string().max(200), change: z.unknown() });

/** Returns the key from which nodes get theirs; all controls of a database have the same. */
async function sharedKey(db: Database, sealer: Sealer, randomBytes: RandomBytes): Promise<string> {
  const place = ['settings', 'node_key'];
  const sealed = await readSetting(db, 'node_key', () =>
    sealer.seal(place, Buffer.from(randomBytes(32)).toString('hex')),
  );
  try {
    return sealer.unseal(place, sealed).toString();
  } catch (cause) {
    throw new PlatformError('unavailable', 'this control has another env.key than the first one of its database', {
      hints: ['copy env.key from the data folder of the first control into the one of this control'],
      cause,
    });
  }
}
