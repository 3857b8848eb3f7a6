/** Operations of administrators on the nodes of a cluster. */
import { z } from 'zod';
import { PlatformError } from '../../../protocol/errors.ts';
import type { NodeLine } from '../../../protocol/views.ts';
import { forUsers, type Operation } from '../operation.ts';
import { nextText, pageOfAll, pageQuery } from './paging.ts';

/** Nodes as administrators see and change them. */
export interface NodeRegister {
  /** Returns all nodes by name, with what those that live have said last, and the newest revision. */
  list(): Promise<
    readonly {
      readonly row: {
        readonly id: string;
        readonly name: string;
        readonly createdMs: number;
        readonly joinedMs: number | null;
      };
      readonly alive: NodeAlive | null;
      readonly revision: number;
    }[]
  >;
  /** Adds a node. Returns the value of TRISIEL_JOIN with which it joins. Throws `name_invalid`, `name_taken`. */
  add(name: string): Promise<{ readonly join: string }>;
  /** Lets a node finish its calls and end. Throws `not_found`, `unavailable`. */
  drain(name: string): Promise<void>;
  /** Removes a node for good: its token is not valid any more, and the node ends. Throws `not_found`. */
  remove(name: string): Promise<void>;
}

/** What a node says about itself. */
export interface NodeAlive {
  readonly version: string;
  readonly url: string;
  readonly revision: number;
  readonly isServing: boolean;
  readonly isStale: boolean;
  readonly sinceMs: number;
  readonly labels: number;
  readonly nodeLabels?: Readonly<Record<string, string>> | undefined;
  readonly calls: number;
  /** Bytes that its runners hold, and numbers of their invocations in flight; null: not known yet. */
  readonly runners: readonly { readonly stats: { readonly rssBytes: number; readonly inFlight: number } | null }[];
}

const tag = 'nodes';
const nodeSchema: z.ZodType<NodeLine> = z.object({
  id: z.string(),
  name: z.string(),
  state: z.enum(['serving', 'starting', 'away']).describe('away: silent for 3 s, or never joined'),
  url: z.string().nullable().describe('base URL of the functions on it'),
  version: z.string().nullable(),
  upToDate: z.boolean().describe('whether it serves the newest versions, as far as this control knows them'),
  revision: z.number().nullable().describe('number of the last change of what is released that it has applied'),
  labels: z.number().describe('functions and previews that it serves'),
  nodeLabels: z
    .record(z.string(), z.string())
    .describe('labels of the node, which `[placement]` of a manifest can ask for'),
  calls: z.number().describe('calls in the last second'),
  inFlight: z.number(),
  memoryBytes: z.number(),
  runners: z.number(),
  sinceMs: z.number().nullable().describe('when it was started'),
  joinedMs: z.number().nullable(),
});

export function nodeOperations({
  nodeRegister = null,
}: {
  readonly nodeRegister?: NodeRegister | null;
}): readonly Operation[] {
  const register = (): NodeRegister => {
    if (nodeRegister !== null) return nodeRegister;
    throw new PlatformError('conflict', 'this platform is no cluster: its runners are on the machine of the server', {
      hints: ['TRISIEL_DATABASE and TRISIEL_NATS make it one: see docs/cluster.md'],
    });
  };
  return [
    forUsers({
      id: 'listNodes',
      method: 'GET',
      path: '/nodes',
      tag,
      summary: 'Nodes of the cluster by name, with what they serve.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ nodes: z.array(nodeSchema), next: nextText }),
      errors: ['conflict'],
      run: async ({ query }) => {
        const { items, next } = pageOfAll((await register().list()).map(viewOf), query, ({ name }) => name);
        return { nodes: items, next };
      },
    }),
    forUsers({
      id: 'addNode',
      method: 'POST',
      path: '/nodes',
      tag,
      summary: 'Add a node. The answer has the value of TRISIEL_JOIN for `trisiel node`; it is shown once.',
      body: z.strictObject({ name: z.string().max(200) }),
      status: 201,
      answer: z.object({ name: z.string(), join: z.string() }),
      errors: ['conflict', 'name_invalid', 'name_taken', 'limit_exceeded'],
      run: async ({ body: { name } }) => ({ name, ...(await register().add(name)) }),
    }),
    forUsers({
      id: 'drainNode',
      method: 'POST',
      path: '/nodes/{node}/drain',
      tag,
      summary: 'Let a node finish its calls and end. It may be started again.',
      errors: ['conflict', 'not_found', 'unavailable'],
      run: async ({ params }) => register().drain(params.node),
    }),
    forUsers({
      id: 'removeNode',
      method: 'DELETE',
      path: '/nodes/{node}',
      tag,
      summary: 'Remove a node for good: its token is not valid any more, and it ends.',
      errors: ['conflict', 'not_found'],
      run: async ({ params }) => register().remove(params.node),
    }),
  ];
}

function viewOf({ row, alive, revision }: Awaited<ReturnType<NodeRegister['list']>>[number]): NodeLine {
  const stats = (alive?.runners ?? []).flatMap((runner) => (runner.stats === null ? [] : [runner.stats]));
  return {
    ...{ id: row.id, name: row.name, joinedMs: row.joinedMs },
    state: alive === null ? 'away' : alive.isServing ? 'serving' : 'starting',
    ...{ url: alive?.url ?? null, version: alive?.version ?? null, revision: alive?.revision ?? null },
    upToDate: alive !== null && !alive.isStale && alive.revision >= revision,
    nodeLabels: alive?.nodeLabels ?? {},
    ...{ labels: alive?.labels ?? 0, calls: alive?.calls ?? 0, runners: alive?.runners.length ?? 0 },
    inFlight: stats.reduce((sum, { inFlight }) => sum + inFlight, 0),
    memoryBytes: stats.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    sinceMs: alive?.sinceMs ?? null,
  };
}
