/** Calls of the API about the nodes of a cluster, for administrators. */
import * as z from 'zod/mini';
import type { NodeLine } from '../../src/protocol/views.ts';
import { type Api, all, type CallOptions } from './api.ts';
import { plain } from './views/parts.ts';

const nodeAnswer: z.ZodMiniType<NodeLine> = z.object({
  id: plain,
  name: plain,
  state: plain,
  url: z.nullable(z.string()),
  version: z.nullable(z.string()),
  upToDate: z.boolean(),
  revision: z.nullable(z.number()),
  labels: z.number(),
  nodeLabels: z.record(z.string(), z.string()),
  calls: z.number(),
  inFlight: z.number(),
  memoryBytes: z.number(),
  runners: z.number(),
  sinceMs: z.nullable(z.number()),
  joinedMs: z.nullable(z.number()),
});
const nodesAnswer = z.object({ nodes: z.array(nodeAnswer), next: z.nullable(z.string()) });
const addedAnswer = z.object({ name: plain, join: plain });

export class NodesClient {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Returns all nodes by name. */
  async list(options?: CallOptions): Promise<readonly NodeLine[]> {
    return all(async (after) => {
      const { nodes, next } = await this.#api.call(
        nodesAnswer,
        { method: 'GET', path: '/nodes', query: { after } },
        options,
      );
      return { items: nodes, next };
    });
  }

  /** Adds a node; returns the value of TRISIEL_JOIN for it. */
  async add(name: string, options?: CallOptions): Promise<{ readonly name: string; readonly join: string }> {
    return this.#api.call(addedAnswer, { method: 'POST', path: '/nodes', body: { name } }, options);
  }

  /** Lets a node finish its calls and end. */
  async drain(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'POST', path: `${nodePath(name)}/drain` }, options);
  }

  /** Removes a node for good. */
  async remove(name: string, options?: CallOptions): Promise<void> {
    await this.#api.send({ method: 'DELETE', path: nodePath(name) }, options);
  }
}

function nodePath(name: string): string {
  return `/nodes/${encodeURIComponent(name)}`;
}
