/**
 * Files in which runners leave log lines when no control takes them (src/runner/log-spool.ts), one for each runner:
 * `RUNNER.PID`. A runner gets its file open, because it may open none. Control stores what an ended runner of an earlier
 * control has left, and removes the file.
 */
import { closeSync, createReadStream, mkdirSync, openSync, renameSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { MIB } from '../../protocol/limits.ts';
import type { LogSink } from '../../protocol/ports.ts';
import { blockOfText, type LogBlockText } from '../../protocol/takeover.ts';

/** Bytes of a file that is read; a runner writes less (orphanLimits.spoolBytes). */
const fileBytesMax = 128 * MIB;

/** Checks only the shape: the log checks blocks, like those of a runner's channel. */
const recordSchema = z.object({
  series: z.enum(['sent', 'spooled']),
  batch: z.int().positive(),
  blocks: z.array(z.looseObject({ words: z.string(), data: z.string() })),
  dropped: z.record(z.string(), z.number()),
});

/** An open file, for one runner that is about to start. */
export interface OpenSpool {
  readonly descriptor: number;
  /** Names the file for its runner, and closes the descriptor of this process. `pid` undefined: it could not start. */
  started(pid: number | undefined): void;
}

export class LogSpools {
  readonly #folder: string;
  readonly #store: LogSink['appendBlocks'];
  readonly #own = new Set<string>();

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

  /** Removes the file of a runner of this control, to which the runner has handed all its lines. */
  async ended(runnerId: string, pid: number): Promise<void> {
    const name = `${runnerId}.${pid}`;
    this.#own.delete(name);
    await rm(join(this.#folder, name), { force: true });
  }

  /**
   * Stores the lines in the files of earlier runners, but for those among `alive`, and removes the files. A file whose
   * lines cannot be stored stays for the next time; what was stored of it is known by its number. Returns how many files are
   * left.
   */
  async deliver(alive: readonly number[]): Promise<number> {
    let left = 0;
    for (const name of await readdir(this.#folder)) {
      if (this.#own.has(name)) continue;
      const [, runnerId, pid] = /^(.+)\.(\d+)$/.exec(name) ?? [];
      const file = join(this.#folder, name);
      const isDone =
        runnerId === undefined || (!alive.includes(Number(pid)) && (await this.#deliverFile(file, runnerId)));
      if (isDone) await rm(file, { force: true });
      else left += 1;
    }
    return left;
  }

  async #deliverFile(file: string, runnerId: string): Promise<boolean> {
    const { size } = await stat(file);
    const lines = createInterface({ input: createReadStream(file, { end: Math.min(size, fileBytesMax) }) });
    for await (const line of lines) {
      const record = recordOf(line);
      if (record === null) continue;
      const { series, batch, blocks, dropped } = record;
      const origin = series === 'sent' ? runnerId : `${runnerId}/spool`;
      const stored = await this.#store(
        blocks.map((block) => blockOfText(block as unknown as LogBlockText)),
        dropped,
        { origin, number: batch },
      );
      if (stored === 'lost') return false;
    }
    return true;
  }
}

/** Returns the batch in a line; null: the line was cut when its runner ended. */
function recordOf(line: string): z.infer<typeof recordSchema> | null {
  try {
    return recordSchema.parse(JSON.parse(line));
  } catch {
    return null;
  }
}
