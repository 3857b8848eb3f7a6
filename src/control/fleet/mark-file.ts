/**
 * A few bytes that a runner writes and that control can read after the runner's death: the spec whose guest held the
 * thread (src/runner/busy-mark.ts). The file has no name and survives a crash of the runner.
 */
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const markBytes = 64;
const progressBytes = 4;

export class MarkFile {
  /** File descriptor in this process, which the runner inherits. */
  readonly descriptor: number;
  #isOpen = true;

  constructor() {
    const folder = mkdtempSync(join(tmpdir(), 'trisiel-mark-'));
    try {
      this.descriptor = openSync(join(folder, 'mark'), 'wx+', 0o600);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  /** Returns the id of the spec whose guest holds the thread; null: none does. */
  read(): string | null {
    if (!this.#isOpen) return null;
    const bytes = Buffer.alloc(markBytes);
    const length = readSync(this.descriptor, bytes, 0, markBytes, 0);
    const text = bytes.toString('latin1', 0, length).replace(/\0+$/, '');
    return text === '' ? null : text;
  }

  /** Returns a count that changes while guests get their turns; null before the first turn. */
  progress(): number | null {
    if (!this.#isOpen) return null;
    const bytes = Buffer.alloc(progressBytes);
    return readSync(this.descriptor, bytes, 0, progressBytes, markBytes) < progressBytes ? null : bytes.readUInt32LE();
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    closeSync(this.descriptor);
  }
}
