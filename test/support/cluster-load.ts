/** Calls functions on all nodes of a cluster at once, and notes what failed and what was answered. */
import type { Answered, TestCluster, TestNode } from './cluster.ts';

export interface Load {
  /** Texts of calls that were answered with 200. */
  readonly answered: string[];
  /** `STATUS TEXT` or the error of calls that were not. */
  readonly failed: string[];
  /** Resolves when `count` more calls have been answered. */
  more(count: number): Promise<void>;
  /** Ends the load; resolves when the last call has ended. */
  stop(): Promise<void>;
}

/**
 * Calls `handler` without a pause, `clients` calls at a time on each node of `nodes`. Each call has another query,
 * which the function writes to its log and answers with.
 */
export function startLoad(
  cluster: TestCluster,
  handler: string,
  {
    nodes = cluster.nodes,
    clients = 2,
    prefix = 'n',
    passesOver = false,
  }: {
    readonly nodes?: readonly TestNode[];
    readonly clients?: number;
    readonly prefix?: string;
    /** Whether a call that gets no answer from a node is made on the next one, as proxies do with GET. */
    readonly passesOver?: boolean;
  } = {},
): Load {
  const answered: string[] = [];
  const failed: string[] = [];
  const watchers = new Set<() => void>();
  let isOver = false;
  let next = 0;
  const one = async (node: TestNode): Promise<void> => {
    while (!isOver) {
      const text = `${prefix}${next}`;
      next += 1;
      const turn = nodes.indexOf(node);
      const inOrder = passesOver ? [...nodes.slice(turn), ...nodes.slice(0, turn)] : [node];
      let answer: Answered = { status: 0, body: '' };
      for (const one of inOrder) {
        answer = await cluster
          .call(one, handler, { path: `/?${text}` })
          .catch((error: unknown) => ({ status: 0, body: String(error) }));
        if (answer.status !== 0) break;
      }
      if (answer.status === 200) answered.push(text);
      else failed.push(`${node.name}: ${answer.status} ${answer.body}`);
      for (const wake of watchers) wake();
      watchers.clear();
    }
  };
  const running = Promise.all(nodes.flatMap((node) => Array.from({ length: clients }, () => one(node))));
  return {
    answered,
    failed,
    async more(count) {
      const until = answered.length + count;
      while (answered.length < until) await new Promise<void>((resolve) => watchers.add(resolve));
    },
    async stop() {
      isOver = true;
      await running;
    },
  };
}
