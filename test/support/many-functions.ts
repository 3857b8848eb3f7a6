/** Three nodes beside one control with many functions released, in this process: what each function costs a node. */
import { handlerIdOf, handlerNameOf } from '../../src/protocol/names.ts';
import { labelKey, type Released, withoutFiles } from '../../src/protocol/released.ts';
import { collectGarbage } from '../../src/runner/collect-garbage.ts';
import {
  type ControlParts,
  controlParts,
  makeAgent,
  type SharedParts,
  StoredReleases,
  sharedParts,
} from './cluster-parts.ts';
import { call, compileWat, type Deployed, deploymentOf, writer } from './fleet.ts';

/** Rows that are written in one statement. */
const rowsAtOnce = 500;
const nodeCount = 3;

export type ManyNode = Awaited<ReturnType<typeof makeAgent>>;

/** What a node costs in this process, and its runner in its own. */
export interface Footprint {
  /** Milliseconds until it served. */
  readonly joinMs: number;
  /** Bytes of this process's heap and buffers that it has added. */
  readonly bytes: number;
}

export interface ManyFunctions {
  readonly shared: SharedParts;
  readonly parts: ControlParts;
  /** Labels of all functions; the first `distinct` answer with their own label. */
  readonly labels: readonly string[];
  readonly nodes: readonly ManyNode[];
  /** Of each node, in the order of `nodes`. */
  readonly footprints: readonly Footprint[];
  /** Resident bytes of the runner of a node. */
  runnerBytes(node: ManyNode): Promise<number>;
  /** Calls a function on a node. Returns the milliseconds; throws unless it answers its own name. */
  timed(node: ManyNode, label: string): Promise<number>;
  close(): Promise<void>;
}

/** Returns bytes of this process's heap and buffers after a collection. */
function heldBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/**
 * Releases `count` functions and starts three nodes, of one runner each. The first `distinct` functions have code of
 * their own; the others share one Artifact, since making one takes longer than all that is measured.
 */
export async function manyFunctions(count: number, distinct: number): Promise<ManyFunctions> {
  const shared = await sharedParts();
  const stored = new StoredReleases();
  const parts = await controlParts(shared, { read: stored.read });
  const nodes: ManyNode[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map(({ stop }) => stop()));
    await parts.close();
    await shared.close();
  };
  try {
    const deployed: Deployed[] = [];
    for (let n = 0; n < count; n += 1) {
      const label = `f-${n}`;
      const handlerId = handlerIdOf(n.toString(16).padStart(32, '0'));
      const first = deployed[0];
      if (n < distinct || first === undefined)
        deployed.push(deploymentOf(label, await compileWat(writer(`A: b\n\n${label}`)), { handlerId }));
      else {
        const spec = {
          ...first.spec,
          handlerId,
          label,
          handler: handlerNameOf(label),
          specId: `deployment-of-${label}`,
        };
        deployed.push({ ...first, spec });
      }
    }
    for (const { spec, bytes } of deployed) parts.artifacts.set(spec.artifact, bytes);
    await release(shared, deployed);
    const footprints: Footprint[] = [];
    for (let n = 0; n < nodeCount; n += 1) {
      const { token } = await parts.nodes.add(`node-${n}`);
      const before = heldBytes();
      const made = await makeAgent([parts.url], token);
      nodes.push(made);
      const startMs = performance.now();
      await made.agent.start();
      footprints.push({ joinMs: performance.now() - startMs, bytes: heldBytes() - before });
    }
    return {
      ...{ shared, parts, nodes, footprints, close, labels: deployed.map(({ spec }) => spec.label) },
      async runnerBytes({ agent }) {
        const alive = () => parts.live.alive().find(({ id }) => id === agent.id);
        const since = alive()?.runners[0]?.stats;
        // The figures of the next message: a runner tells them with each answer to the watchdog.
        await parts.live.until(() => alive()?.runners[0]?.stats !== since, 60_000);
        return alive()?.runners[0]?.stats?.rssBytes ?? 0;
      },
      async timed({ agent }, label) {
        const startMs = performance.now();
        const { status, text } = await call(`${agent.url}/${label}/`);
        if (status !== 200 || text !== label) throw new Error(`${label} answered ${status} ${text}`);
        return performance.now() - startMs;
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Writes what a control writes for a Release of each function, in few statements. */
async function release({ store, sealer }: SharedParts, deployed: readonly Deployed[]): Promise<void> {
  const rows = deployed.map(({ spec }, index) => {
    const { label } = spec;
    const content: Released = { kind: 'release', label, rollout: null, spec: withoutFiles(spec), rolloutSpec: null };
    const key = labelKey(label);
    const sealed = sealer.seal(['released', key], JSON.stringify(content));
    return { revision: index + 1, key, is_current: 1, content: sealed, changed_ms: Date.now() };
  });
  for (let at = 0; at < rows.length; at += rowsAtOnce)
    await store.db
      .insertInto('released')
      .values(rows.slice(at, at + rowsAtOnce))
      .execute();
  await store.db
    .updateTable('settings')
    .set({ value: String(rows.length) })
    .where('key', '=', 'release_revision')
    .execute();
}
