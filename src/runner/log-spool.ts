/**
 * Writes log lines into a file that control has opened for this runner: those that do not fit into its buffer while no
 * control is there, and those that it still has when it ends. The next control stores them
 * (src/control/fleet/log-spools.ts).
 */
import { writeSync } from 'node:fs';
import { blockToText, type SpooledLogs, spoolLimits } from '../protocol/takeover.ts';
import type { LogBatch } from './log-buffer.ts';

export class LogSpool {
  /** File descriptor; null: there is no file. */
  readonly #descriptor: number | null;
  /** Bytes that may still be written. */
  #bytesLeft: number;

  /** `descriptor`: descriptor of the file; null: there is none. `bytesMax`: bytes of the file. */
  constructor(descriptor: number | null, bytesMax: number = spoolLimits.fileBytes) {
    this.#descriptor = descriptor;
    this.#bytesLeft = bytesMax;
  }

  /** Whether there is a file with room. */
  get isOpen(): boolean {
    return this.#descriptor !== null && this.#bytesLeft > 0;
  }

  /**
   * Writes a batch as a line of JSON. Returns whether it is in the file; false when the file is full, or the
   * disk.
   */
  write(series: SpooledLogs['series'], { batch, blocks, dropped }: LogBatch): boolean {
    if (this.#descriptor === null) return false;
    const record: SpooledLogs = { series, batch, blocks: blocks.map(blockToText), dropped };
    const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
    if (bytes.length > this.#bytesLeft) {
      // The file is full: no smaller batch is tried, which would have to be packed for that.
      this.#bytesLeft = 0;
      return false;
    }
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
    } catch {
      // A part of the line may be in the file, whose reader leaves it out; a further line would continue it.
      this.#bytesLeft = 0;
      return false;
    }
    this.#bytesLeft -= bytes.length;
    return true;
  }
}
