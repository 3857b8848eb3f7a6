/** Runs searches and merges of blocks in a thread of its own, one after the other. */
import { Worker } from 'node:worker_threads';
import type { StoredBlock } from './block-rows.ts';
import type { BlockSearch, BlockSearchResult } from './block-search.ts';
import type { BlockAnswer, BlockJob, BlockJobResult } from './block-worker.ts';

/** Bytes of the thread's heap, in MiB: a job has at most some MiB of text, several times over while it is unpacked. */
const heapMib = 256;

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

export class BlockThread {
  #worker: Worker | null = null;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;
  #isClosed = false;

  /** Rejects when the thread ends, or on a mistake of this program. */
  search(search: BlockSearch): Promise<BlockSearchResult> {
    return this.#run('search', { kind: 'search', search });
  }

  merge(blocks: readonly StoredBlock[]): Promise<BlockJobResult['merge']> {
    return this.#run('merge', { kind: 'merge', blocks });
  }

  /** Ends the thread; waiting jobs are rejected. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#worker?.terminate();
    this.#fail(new Error('the log store is closed'));
  }

  #run<Kind extends keyof BlockJobResult>(_kind: Kind, job: BlockJob): Promise<BlockJobResult[Kind]> {
    if (this.#isClosed) return Promise.reject(new Error('the log store is closed'));
    this.#worker ??= this.#start();
    this.#lastId += 1;
    const id = this.#lastId;
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, job });
    });
  }

  /** The first job starts the thread; an idle one keeps no process alive. */
  #start(): Worker {
    const worker = new Worker(new URL('./block-worker.ts', import.meta.url), {
      env: {},
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMib },
    });
    worker.unref();
    worker.on('message', (answer: BlockAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if (answer.ok)
        waiting?.resolve(answer.result as never); // the result of what was asked under this id
      else waiting?.reject(answer.error);
    });
    worker.on('error', (error) => this.#end(worker, error));
    worker.on('exit', () => this.#end(worker, new Error('the thread of log searches has ended')));
    return worker;
  }

  #end(worker: Worker, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = null;
    this.#fail(error);
  }

  #fail(error: unknown): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
