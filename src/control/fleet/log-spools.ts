/**
 * Files in which runners leave log lines when no control takes them (src/runner/log-spool.ts), one for each runner:
 * `RUNNER.PID`. A runner gets its file open, because it may open none. Control stores what an ended runner of an
 * earlier control has left, and removes the file.
 */
import { closeSync, createReadStream, mkdirSync, openSync, renameSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { LogSink } from '../../protocol/ports.ts';
import { blockOfText, type LogBlockText, spoolLimits } from '../../protocol/takeover.ts';

/**
 * Checks the shape: the log checks the facts of blocks, like those of a runner's channel. A guest that has broken out
 * of its runner can write anything into the file.
 */
const recordSchema = z.object({
  series: z.enum(['sent', 'spooled']),
  batch: z.int().positive(),
  blocks: z.array(z.looseObject({ handlerId: z.string(), words: z.string(), data: z.string() })),
  dropped: z.record(z.string(), z.number()),
});

/** An open file, for one runner that is about to start. */
export interface OpenSpool {
  /** File descriptor in this process, which the runner inherits. */
  readonly descriptor: number;
  /** Names the file for its runner, and closes the descriptor of this process. `pid` undefined: it could not start. */
  started(pid: number | undefined): void;
}

export class LogSpools {
  readonly #folder: string;
  readonly #store: LogSink['appendBlocks'];
  readonly #own = new Set<string>();
  #delivering: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** `folder` is made if it is missing. `store` is called with the batches of ended runners. */
  constructor(folder: string, store: LogSink['appendBlocks']) {
    this.#folder = folder;
    this.#store = store;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  open(runnerId: string): OpenSpool {
    const file = join(this.#folder, runnerId);
    const descriptor = openSync(file, 'wx', 0o600);
    return {
      descriptor,
      started: (pid) => {
        closeSync(descriptor);
        const name = `${runnerId}.${pid ?? 0}`;
        this.#own.add(name);
        renameSync(file, join(this.#folder, name));
      },
    };
  }

  /**
   * Removes the file of a runner of this control that has ended, if it is empty: the runner has handed over all its
   * lines.
   */
  async ended(runnerId: string, pid: number): Promise<void> {
    const name = `${runnerId}.${pid}`;
    this.#own.delete(name);
    const file = join(this.#folder, name);
    // It has lines when the runner ended after its control had let it go, in the last moment of that control.
    if ((await stat(file)).size === 0) await rm(file, { force: true });
  }

  /**
   * Stores the lines in the files of earlier runners, but for those among `alive`, and removes the files. A file whose
   * lines cannot be stored stays for the next time; what was stored of it is known by its number. Returns how many
   * files are left. Throws the first failure after every file has been looked at.
   */
  deliver(alive: readonly number[]): Promise<number> {
    const delivering = this.#deliver(alive);
    this.#delivering = delivering.catch(() => {});
    return delivering;
  }

  /** Stores nothing more. Resolves when the batch that is being stored has ended; the rest is the next control's. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#delivering;
  }

  async #deliver(alive: readonly number[]): Promise<number> {
    let left = 0;
    const failures: unknown[] = [];
    for (const name of await readdir(this.#folder)) {
      if (this.#own.has(name)) continue;
      const [, runnerId, pid] = /^(.+)\.(\d+)$/.exec(name) ?? [];
      const file = join(this.#folder, name);
      try {
        const isDone =
          runnerId === undefined || (!alive.includes(Number(pid)) && (await this.#deliverFile(file, runnerId)));
        if (isDone) await rm(file, { force: true });
        else left += 1;
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return left;
  }

  async #deliverFile(file: string, runnerId: string): Promise<boolean> {
    for await (const line of recordsOf(createReadStream(file, { end: spoolLimits.fileBytes }))) {
      const record = recordOf(line);
      if (record === null) continue;
      if (this.#isClosed) return false;
      const { series, batch, blocks, dropped } = record;
      const origin = series === 'sent' ? runnerId : `${runnerId}/spool`;
      const stored = await this.#store(
        // The store refuses what is no plausible block.
        blocks.map((block) => blockOfText(block as unknown as LogBlockText)),
        dropped,
        { origin, number: batch },
      );
      if (stored === 'lost') return false;
    }
    return true;
  }
}

/** Returns the lines of a file, without those that are longer than a record can be, which are not kept in memory. */
async function* recordsOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    let from = 0;
    for (let to = chunk.indexOf(lineFeed); to !== -1; to = chunk.indexOf(lineFeed, from)) {
      if (bytes + to - from <= spoolLimits.recordBytes) yield Buffer.concat([...parts, chunk.subarray(from, to)]);
      parts = [];
      bytes = 0;
      from = to + 1;
    }
    bytes += chunk.length - from;
    if (bytes <= spoolLimits.recordBytes) parts.push(chunk.subarray(from));
    else parts = [];
  }
  if (bytes <= spoolLimits.recordBytes) yield Buffer.concat(parts);
}

const lineFeed = 0x0a;

/** Returns the batch in a line; null: the line was cut when its runner ended, or is none. */
function recordOf(line: Buffer): z.infer<typeof recordSchema> | null {
  try {
    return recordSchema.parse(JSON.parse(line.toString()));
  } catch {
    return null;
  }
}
