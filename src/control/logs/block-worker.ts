/** Thread that unpacks blocks for searches and merges, so that control's event loop does not wait for them. */
import { parentPort } from 'node:worker_threads';
import type { StoredBlock } from './block-rows.ts';
import { type BlockSearch, type BlockSearchResult, mergeBlocks, searchBlocks } from './block-search.ts';

export type BlockJob =
  | { readonly kind: 'search'; readonly search: BlockSearch }
  | { readonly kind: 'merge'; readonly blocks: readonly StoredBlock[] };

export type BlockJobResult = {
  readonly search: BlockSearchResult;
  readonly merge: ReturnType<typeof mergeBlocks>;
};

export type BlockAnswer =
  | { readonly id: number; readonly ok: true; readonly result: BlockJobResult[keyof BlockJobResult] }
  | { readonly id: number; readonly ok: false; readonly error: unknown };

const port = parentPort;
port?.on('message', ({ id, job }: { readonly id: number; readonly job: BlockJob }) => {
  let answer: BlockAnswer;
  try {
    const result = job.kind === 'search' ? searchBlocks(job.search) : mergeBlocks(job.blocks);
    answer = { id, ok: true, result };
  } catch (error) {
    answer = { id, ok: false, error };
  }
  port.postMessage(answer);
});
