/** How a control lets functions be served: by runners of its own, or by the nodes of a cluster. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { NodeRegister } from '../control/api/operations/nodes.ts';
import type { CallTarget } from '../control/queues/function-caller.ts';
import type { PlacedHandler } from '../protocol/placement.ts';
import type { Nodes, ReleaseFeed } from '../protocol/ports.ts';

export interface Serving {
  readonly releases: ReleaseFeed;
  readonly nodes: Nodes;
  /** Nodes that administrators add and remove; null: the runners are on this machine. */
  readonly register: NodeRegister | null;
  /** Returns the public base URL of functions, once the station has started. */
  runUrl(): string;
  /** Returns the URL of functions that the line about the start of this control shows. */
  readyUrl(): string;
  /**
   * Returns where calls of queues and schedules of `label` go, and the key that the runners there know; null: nothing
   * serves it.
   */
  target(label: string): CallTarget | null;
  /** Returns whether a request to control's port is for this station. */
  handles(request: IncomingMessage): boolean;
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Resolves when functions can be served. */
  start(): Promise<void>;
  /** Lets runners of this machine finish and ends them. */
  end(): void;
  /** Leaves runners of this machine to the next control, for at most `lifetimeMs`; stops taking reports of nodes. */
  leave(lifetimeMs: number): Promise<void>;
  /**
   * Words that a push says after `live`, such as ` on 3 of 3 nodes`; '': there is one place only. `placed`: null where
   * the manifest asks nothing of nodes.
   */
  places(placed: PlacedHandler | null): string;
  /** Removes what is not needed any more. Called periodically. */
  prune(): Promise<void>;
}
